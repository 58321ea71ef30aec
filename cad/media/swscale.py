# SPDX-License-Identifier: Apache-2.0
"""DirectRgb lets FFmpeg write the RGB of a decoded frame straight into memory of ours.

PyAV converts into a frame of its own, out of which the picture must be copied. That copy costs nearly as much as the
conversion. FFmpeg's own function, in the library that PyAV has loaded already, takes any memory as its target.

Only plain frames are converted here, and they come out as PyAV would give them, byte for byte. For others, and where
the library is not found, there is PyAV.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

#: Numbers of formats of pixels. Source: libavutil, enum AVPixelFormat, which only ever grows at its end.
_FORMATS = {"yuv420p": 0, "yuvj420p": 12}
_RGB24 = 2
#: Source: libswscale/swscale.h.
_SWS_BILINEAR = 2
#: FFmpeg converts pairs of rows, so many pixels or twice as many at a time: behind the end of a row it may write as
#: many more.
_COLUMNS, _ROWS = 8, 2
#: Nothing may be written so near to a picture.
_GUARD_BYTES, _GUARD = 256, 77
#: Matrices for which it gives what PyAV gives. Source: libavutil, enum AVColorSpace.
_COLORSPACES = frozenset({1, 2, 4, 5, 6, 7, 9})
#: Source: libavutil, enum AVColorRange: levels from 0 to 255.
_FULL_RANGE = 2
_NO_CHANGE = (0, 1 << 16, 1 << 16)  # of brightness, contrast, saturation
_Numbers = ctypes.POINTER(ctypes.c_int)
_Addresses, _Strides = ctypes.c_void_p * 4, ctypes.c_int * 4


def find_library() -> Any:
    """Return libswscale as it is loaded in this process, or None where there is none to be found (other than Linux)."""
    if sys.platform != "linux":
        return None
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
        paths = {line.split(maxsplit=5)[5] for line in lines if "/libswscale" in line}
        if len(paths) > 1:  # OpenCV's wheel has one, too; the decoding process does without OpenCV
            paths = {path for path in paths if path.startswith(str(Path(av.__file__).parent))}  # av or av.libs
        if len(paths) != 1:
            return None
        library = ctypes.CDLL(paths.pop())
        library.sws_getContext.restype = ctypes.c_void_p
        library.sws_getContext.argtypes = [ctypes.c_int] * 7 + [ctypes.c_void_p] * 3
        library.sws_getCoefficients.restype = _Numbers
        library.sws_getCoefficients.argtypes = [ctypes.c_int]
        library.sws_setColorspaceDetails.argtypes = [
            ctypes.c_void_p, _Numbers, ctypes.c_int, _Numbers, ctypes.c_int, *[ctypes.c_int] * 3
        ]  # fmt: skip
        library.sws_scale.argtypes = [ctypes.c_void_p, _Addresses, _Strides, *[ctypes.c_int] * 2, _Addresses, _Strides]
        library.sws_freeContext.restype = None
        library.sws_freeContext.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


#: Looked for when the decoding process starts: later it may open nothing.
_LIBRARY = find_library()


class DirectRgb:
    """Converts frames of one stream as long as they are plain: 4:2:0 in 8 bits, whole blocks, not interlaced.

    Args:
        by_pyav: Returns the picture of a frame as PyAV converts it, uint8 (height, width, 3). The first frame of every
            kind is converted both ways; on a machine where the two differ, PyAV does it all.
    """

    def __init__(self, by_pyav: Callable[[Any], NDArray[np.uint8]]) -> None:
        self._by_pyav = by_pyav
        self._kind: tuple[int, ...] = ()
        self._agrees = False
        self._context: int | None = None
        self._end: Callable[[], Any] = _nothing
        self._last_rows = np.empty((_ROWS, 0, 3), np.uint8)

    def write(self, frame: Any, target: NDArray[np.uint8]) -> bool:
        """Write the picture of ``frame`` to ``target``, uint8 (height, width, 3), without gaps and of the same size.

        Returns:
            False where the frame is not plain, or FFmpeg refuses; nothing of worth has been written then.
        """
        pixels, width, height = _FORMATS.get(frame.format.name), frame.width, frame.height
        if _LIBRARY is None or pixels is None or frame.interlaced_frame or frame.colorspace not in _COLORSPACES:
            return False
        if width % _COLUMNS or height % _ROWS or height <= _ROWS:
            return False
        if target.shape != (height, width, 3) or not target.flags.c_contiguous or not target.flags.writeable:
            return False
        kind = (width, height, pixels, frame.colorspace, frame.color_range)
        if kind != self._kind:
            self._begin(*kind)
            self._kind, self._agrees = kind, self._is_as_by_pyav(frame, target.shape)
        return self._agrees and self._convert(frame, target)

    def _begin(self, width: int, height: int, pixels: int, colorspace: int, color_range: int) -> None:
        """Make a context for frames of a kind."""
        self._end()
        self._last_rows = np.empty((_ROWS + 1, width, 3), np.uint8)[:_ROWS]
        size = (width, height, pixels, width, height, _RGB24)
        self._context = context = _LIBRARY.sws_getContext(*size, _SWS_BILINEAR, None, None, None)
        if context:
            self._end = weakref.finalize(self, _LIBRARY.sws_freeContext, context)
            full = int(color_range == _FULL_RANGE or pixels == _FORMATS["yuvj420p"])
            matrix = _LIBRARY.sws_getCoefficients(colorspace)
            _LIBRARY.sws_setColorspaceDetails(context, matrix, full, matrix, 1, *_NO_CHANGE)

    def _is_as_by_pyav(self, frame: Any, shape: tuple[int, ...]) -> bool:
        """Say whether a frame comes out as PyAV converts it, with nothing written around it."""
        size = shape[0] * shape[1] * 3
        memory = np.full(size + 2 * _GUARD_BYTES, _GUARD, np.uint8)
        inside = memory[_GUARD_BYTES:-_GUARD_BYTES].reshape(shape)
        done = self._context is not None and self._convert(frame, inside)
        around = np.concatenate([memory[:_GUARD_BYTES], memory[-_GUARD_BYTES:]])
        return done and bool((around == _GUARD).all()) and np.array_equal(inside, self._by_pyav(frame))

    def _convert(self, frame: Any, target: NDArray[np.uint8]) -> bool:
        height, width, _ = target.shape
        planes = frame.planes
        at, strides = [plane.buffer_ptr for plane in planes], [plane.line_size for plane in planes]
        if len(planes) != 3 or strides[0] < width or min(strides[1:]) < width // 2:  # or stored from the bottom up
            return False
        if not width % (2 * _COLUMNS):
            return self._rows(at, strides, 0, height, target)
        # What is written behind a row is written over with the next one; behind the last ones there must be room.
        first = height - _ROWS
        below = [plane + first // share * stride for plane, share, stride in zip(at, (1, 2, 2), strides, strict=True)]
        if not self._rows(at, strides, 0, first, target):
            return False
        if not self._rows(below, strides, first, _ROWS, self._last_rows):
            return False
        target[first:] = self._last_rows
        return True

    def _rows(self, at: list[int], strides: list[int], first: int, rows: int, target: NDArray[np.uint8]) -> bool:
        """Convert some rows of a picture, whose planes have them at these addresses, to the beginning of ``target``."""
        row_bytes = target.strides[0]
        whole = target.ctypes.data - first * row_bytes  # where FFmpeg would have to put row 0
        source, places = (_Addresses(*at, None), _Strides(*strides, 0)), _Addresses(whole, None, None, None)
        done = _LIBRARY.sws_scale(self._context, *source, first, rows, places, _Strides(row_bytes, 0, 0, 0))
        return bool(done == rows)


def _nothing() -> None:
    """Stand for the end of a context that was never made."""
