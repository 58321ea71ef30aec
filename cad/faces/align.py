# SPDX-License-Identifier: Apache-2.0
"""align_face gives trackers and finders the crop of a face in its standard place, cut without aliasing.

A similarity takes the five points of the face to CANONICAL_POINTS_PX.

Pixel centres have whole coordinates, here and in OpenCV's warp. What lies outside the picture is black.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.errors import OptionError
from cad.faces.records import CANONICAL_POINTS_PX, CROP_SIZE_PX

#: A warp that shrinks below this factor would read too few pixels, so the picture is area-reduced first.
MINIFY_BELOW = 0.75


def canonical_points(size_px: int = CROP_SIZE_PX, margin_px: int = 0) -> NDArray[np.float32]:
    """Return where the five points stand in a crop of ``size_px`` with a margin of ``margin_px`` on every side.

    Returns:
        float32 (5, 2) x, y.

    Raises:
        OptionError: The margins leave nothing of the crop.

    Example:
        >>> canonical_points(192, 16)[0].tolist()
        [76.0, 76.0]
    """
    inner = size_px - 2 * margin_px
    if inner <= 0 or margin_px < 0:
        raise OptionError(f"a margin of {margin_px} px does not fit twice into a crop of {size_px} px")
    return CANONICAL_POINTS_PX * np.float32(inner / CROP_SIZE_PX) + np.float32(margin_px)


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the least-squares similarity (turn, one scale, shift; no mirror) that takes ``source`` to ``target``.

    In the plane it is one complex factor and one complex shift, so there is a closed solution.

    Args:
        source: (points, 2) x, y; at least two different points.
        target: (points, 2) x, y.

    Returns:
        float64 (2, 3) matrix for column vectors (x, y, 1).

    Raises:
        ValueError: All source points are one point.

    Example:
        >>> similarity(np.array([[0, 0], [1, 0]]), np.array([[5, 5], [5, 7]])).round(6).tolist()
        [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]

    Source: Umeyama, IEEE TPAMI 13(4), 1991, for two dimensions.
    """
    here = np.ascontiguousarray(source, dtype=np.float64).view(np.complex128)[:, 0]
    there = np.ascontiguousarray(target, dtype=np.float64).view(np.complex128)[:, 0]
    middle, goal = complex(here.sum()) / len(here), complex(there.sum()) / len(there)
    centred = here - middle
    spread = np.vdot(centred, centred).real
    if spread <= 0:
        raise ValueError("the source points are all one point; a similarity needs two")
    factor = complex(np.vdot(centred, there - goal)) / float(spread)
    shift = goal - factor * middle
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def align_face(
    frame: NDArray[np.uint8], points_px: NDArray[np.floating], size_px: int = CROP_SIZE_PX, margin_px: int = 0
) -> NDArray[np.uint8]:
    """Cut the face at ``points_px`` out of ``frame``, upright and at its standard size.

    Args:
        frame: uint8 (height, width, 3).
        points_px: (5, 2) x, y in the frame, in the order of CANONICAL_POINTS_PX.
        size_px: Side of the crop.
        margin_px: Margin on every side; 192 with 16 holds the 160 px crop in its middle.

    Returns:
        uint8 (size_px, size_px, 3).

    Raises:
        OptionError: The margins leave nothing of the crop.
        ValueError: The points are all one point.
    """
    matrix = similarity(points_px, canonical_points(size_px, margin_px))
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < MINIFY_BELOW:
        frame, matrix = _reduced(frame, matrix, size_px, scale)
    crop = cv2.warpAffine(
        frame, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0)
    )
    return np.asarray(crop, dtype=np.uint8)


def _reduced(
    frame: NDArray[np.uint8], matrix: NDArray[np.float64], size_px: int, scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the part of the frame that the crop needs, area-reduced to the crop's scale, and the matrix from it."""
    # The crop reads these pixels, with room for the filter; the part is never empty.
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    corners = np.array([[0, 0, 1], [size_px, 0, 1], [0, size_px, 1], [size_px, size_px, 1]], dtype=np.float64)
    reach = corners @ inverse[:2].T
    room = 2 + 2 / scale
    low, high = reach.min(axis=0) - room, np.ceil(reach.max(axis=0) + room)
    left = int(np.clip(low[0], 0, frame.shape[1] - 1))
    top = int(np.clip(low[1], 0, frame.shape[0] - 1))
    right = int(np.clip(high[0], left + 1, frame.shape[1]))
    bottom = int(np.clip(high[1], top + 1, frame.shape[0]))
    part = frame[top:bottom, left:right]
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    fx, fy = width / (right - left), height / (bottom - top)
    # Small pixel u has its centre at frame coordinate (u + 0.5) / f - 0.5 + left.
    to_frame = np.array([[1 / fx, 0, 0.5 / fx - 0.5 + left], [0, 1 / fy, 0.5 / fy - 0.5 + top], [0, 0, 1]])
    return small, matrix @ to_frame
