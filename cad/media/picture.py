# SPDX-License-Identifier: Apache-2.0
"""PictureConverter gives the decoding process upright RGB of one size from the frames of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from cad.media.orientation import Orientation, turn

#: Pixel shapes outside this range are taken for damage.
_MAX_PIXEL_ASPECT = 4.0


class PictureConverter:
    """Converts frames to the size of the first one (bounded by ``max_side_px``), upright, with square pixels.

    A later frame of another shape is fitted in and framed with black, so that faces are never distorted.

    Args:
        first: The first frame of the stream.
        orientation: How frames must be turned to stand upright.
        pixel_aspect: Width of a stored pixel over its height.
        max_side_px: Longest side that is handed over.
    """

    def __init__(self, first: Any, orientation: Orientation, pixel_aspect: float, max_side_px: int) -> None:
        self._reformatter = VideoReformatter()
        self._pixel_aspect = pixel_aspect if 1 / _MAX_PIXEL_ASPECT <= pixel_aspect <= _MAX_PIXEL_ASPECT else 1.0
        self.orientation = orientation
        width, height = self._square(first.width, first.height)
        scale = min(1.0, max_side_px / max(width, height))
        self._stored = (max(1, round(width * scale)), max(1, round(height * scale)))
        self.width, self.height = self._stored[::-1] if orientation[0] else self._stored

    def write(self, frame: Any, target: NDArray[np.uint8]) -> None:
        """Write the picture of ``frame`` to ``target``, uint8 (height, width, 3)."""
        width, height = self._fit(frame)
        scaled = (width, height) != (frame.width, frame.height)
        rgb = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="BICUBIC" if scaled else "BILINEAR"
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, abs(plane.line_size))
        if plane.line_size < 0:  # stored from the bottom up, which PyAV's memory is not
            rows = rows[::-1]
        pixels = turn(rows[:, : width * 3].reshape(height, width, 3), self.orientation)
        if pixels.shape != target.shape:
            top, left = (target.shape[0] - pixels.shape[0]) // 2, (target.shape[1] - pixels.shape[1]) // 2
            target[...] = 0
            target = target[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        if not self.orientation[0]:
            target[...] = pixels
            return
        for channel in range(3):  # across the rows, three strided copies are 2.5 times as fast as one
            target[..., channel] = pixels[..., channel]

    def _square(self, width: int, height: int) -> tuple[float, float]:
        """Return the size with square pixels; it never shrinks a side."""
        if self._pixel_aspect >= 1:
            return width * self._pixel_aspect, float(height)
        return float(width), height / self._pixel_aspect

    def _fit(self, frame: Any) -> tuple[int, int]:
        width, height = self._square(frame.width, frame.height)
        scale = min(self._stored[0] / width, self._stored[1] / height)
        fitted = (round(width * scale), round(height * scale))
        return (min(max(1, fitted[0]), self._stored[0]), min(max(1, fitted[1]), self._stored[1]))
