# SPDX-License-Identifier: Apache-2.0
"""turn gives the decoding process upright pictures, by the display matrix of a container or the EXIF tag of a photo."""

from __future__ import annotations

import re
import struct
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

#: (transpose, flip rows, flip columns): transposed first, then flipped.
Orientation = tuple[bool, bool, bool]
UPRIGHT: Orientation = (False, False, False)
#: By degrees clockwise.
_ROTATIONS: dict[int, Orientation] = {90: (True, False, True), 180: (False, True, True), 270: (True, True, False)}
#: By the value of the EXIF tag. Source: CIPA DC-008 (Exif 2.32), tag 0x0112.
EXIF_ORIENTATIONS: dict[int, Orientation] = {
    1: UPRIGHT,
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_EXIF_ORIENTATION_TAG = 0x0112
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
#: The first version of PyAV whose frames' side data may be read whatever the decoder, as (major, minor); None while no
#: such version is known. Known bad are all up to 18.1, and what is being made into 19.0.
#:
#: The fault: every ``SideData`` object wraps the dictionary of its AVFrameSideData in a ``Dictionary``, which frees it
#: when the object goes, though the frame owns it and frees it too (``SideData.__init__``, ``Dictionary.__dealloc__``).
#: A double free damages the heap of the process: it dies then or later, over this file or over another one. It comes
#: about wherever side data has a dictionary, and ``frame.side_data`` makes the objects for all of a frame's side data,
#: whichever of them is asked for. FFmpeg gives a dictionary to one kind, the colour profile of a PNG (its name).
#: ``frame.rotation`` makes no such object. tests/media/test_media_pyav_faults.py tells whether a version has the fault.
SIDE_DATA_MENDED_IN: tuple[int, int] | None = None
#: Decoders of moving pictures, none of which gives side data a dictionary (FFmpeg up to 8.1: the one place that does is
#: in libavcodec/pngdec.c). Only for these a container states a display matrix that mirrors.
_NO_DICTIONARIES = frozenset({
    "h264", "hevc", "vvc", "av1", "libdav1d", "libaom-av1", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4",
    "mpeg1video", "mpeg2video", "mpegvideo", "h261", "h263", "h263i", "flv", "mjpeg", "mjpegb", "prores", "dnxhd",
    "cfhd", "dvvideo", "theora", "vc1", "wmv1", "wmv2", "wmv3", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "rv10", "rv20",
    "rv30", "rv40", "svq1", "svq3", "cinepak", "huffyuv", "ffvhuff", "ffv1", "utvideo", "qtrle", "rawvideo",
})  # fmt: skip
#: Marks of the tags in a JPEG, a PNG and a WebP file, and how many bytes after the mark their TIFF header begins.
_EXIF_MARKS = ((b"Exif\0\0", 0), (b"eXIf", 0), (b"EXIF", 4))


def side_data_is_safe(codec: str, pyav: str) -> bool:
    """Say whether ``frame.side_data`` of a frame from the decoder ``codec`` may be read in this version of PyAV.

    Example:
        >>> side_data_is_safe("h264", "18.1.0"), side_data_is_safe("png", "18.1.0")
        (True, False)
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", pyav)[:2])
    return codec in _NO_DICTIONARIES or (SIDE_DATA_MENDED_IN is not None and numbers >= SIDE_DATA_MENDED_IN)


def orientation_of(frame: Any, codec: str) -> Orientation:
    """Return how the pixels of a decoded frame must be turned to stand upright, by its display matrix.

    PyAV passes the matrix on but does not apply it. Where the matrix itself may not be read, its angle is, which does
    not tell a mirrored picture; the decoders concerned are those of stills, whose EXIF tag says the same and is read
    first.

    Args:
        frame: Of PyAV.
        codec: Name of the decoder that it comes from.

    Source: FFmpeg libavutil/display.h: a 3x3 matrix of 16.16 fixed point, row by row; a stored pixel (p, q) is
        shown at x = a p + c q, y = b p + d q.
    """
    if not side_data_is_safe(codec, av.__version__):
        return _by_angle(frame)
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # where there is a kind of side data that PyAV does not know, it shows none
        return _by_angle(frame)
    if matrix is None or len(bytes(matrix)) < 36:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    return orientation_from_matrix(a, b, c, d)


def _by_angle(frame: Any) -> Orientation:
    return _ROTATIONS.get(-frame.rotation % 360, UPRIGHT)


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


def exif_orientation(head: bytes) -> Orientation | None:
    """Return the orientation that a photograph's EXIF tags state, or None without such a tag.

    They are read here because PyAV's reading of them loses the mirroring.

    Args:
        head: The beginning of the file.

    Example:
        >>> exif_orientation(b"Exif\\0\\0II*\\0\\x08\\0\\0\\0\\1\\0\\x12\\1\\3\\0\\1\\0\\0\\0\\6\\0\\0\\0")
        (True, False, True)
    """
    if head[:4] in _TIFF_ORDERS:  # the file is a TIFF
        return _orientation_in_tiff(head)
    for mark, skip in _EXIF_MARKS:
        at = head.find(mark)
        if at >= 0:
            return _orientation_in_tiff(head[at + len(mark) + skip :])
    return None


def _orientation_in_tiff(tiff: bytes) -> Orientation | None:
    order = _TIFF_ORDERS.get(tiff[:4])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * index)
            if tag == _EXIF_ORIENTATION_TAG:
                return EXIF_ORIENTATIONS.get(value)
    except struct.error:
        return None
    return None


def turn(pixels: NDArray[np.uint8], orientation: Orientation) -> NDArray[np.uint8]:
    """Return a view of (height, width, 3) pixels that stands upright."""
    transpose, flip_rows, flip_columns = orientation
    view = pixels.transpose(1, 0, 2) if transpose else pixels
    return view[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def degrees_clockwise(orientation: Orientation) -> int:
    """Return by how many degrees clockwise the stored picture is turned for display, leaving mirroring out.

    Example:
        >>> degrees_clockwise((True, False, True))
        90
    """
    transpose, flip_rows, flip_columns = orientation
    if transpose:
        return 90 if flip_columns else 270
    return 180 if flip_rows and flip_columns else 0
