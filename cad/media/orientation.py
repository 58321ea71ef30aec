# SPDX-License-Identifier: Apache-2.0
"""Turning pictures upright: display matrices of containers and EXIF orientation of photographs."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: (transpose, flip rows, flip columns): transposed first, then flipped.
Orientation = tuple[bool, bool, bool]
UPRIGHT: Orientation = (False, False, False)


def orientation_of(frame: Any) -> Orientation:
    """Return how the pixels of a decoded frame must be turned to stand upright.

    PyAV hands the display matrix on and does not apply it.

    Source: FFmpeg libavutil/display.h: a 3x3 matrix of 16.16 fixed point, row by row; a stored pixel (p, q) is
        shown at x = a p + c q, y = b p + d q.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except (KeyError, ValueError):
        return UPRIGHT
    if matrix is None or len(bytes(matrix)) < 36:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    return orientation_from_matrix(a, b, c, d)


def orientation_from_matrix(a: int, b: int, c: int, d: int) -> Orientation:
    """Return the nearest of the eight upright-to-upright turns.

    Example:
        >>> orientation_from_matrix(1, 0, 0, 1)
        (False, False, False)
        >>> orientation_from_matrix(0, 1, -1, 0)  # shown turned by a quarter, clockwise
        (True, False, True)
    """
    transpose = abs(b) + abs(c) > abs(a) + abs(d)
    if transpose:
        return (True, b < 0, c < 0)
    return (False, d < 0, a < 0)


def turn(pixels: NDArray[np.uint8], orientation: Orientation) -> NDArray[np.uint8]:
    """Return a view of (height, width, 3) pixels that stands upright."""
    transpose, flip_rows, flip_columns = orientation
    view = pixels.transpose(1, 0, 2) if transpose else pixels
    if flip_rows:
        view = view[::-1]
    if flip_columns:
        view = view[:, ::-1]
    return view


def degrees_clockwise(orientation: Orientation) -> int:
    """Return by how many degrees the stored picture is turned clockwise for display (mirroring left out).

    Example:
        >>> degrees_clockwise((True, False, True))
        90
    """
    transpose, flip_rows, flip_columns = orientation
    if transpose:
        return 90 if flip_columns else 270
    return 180 if flip_rows and flip_columns else 0
