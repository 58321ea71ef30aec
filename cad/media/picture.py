# SPDX-License-Identifier: Apache-2.0
"""PictureConverter gives the decoding process upright RGB with square pixels from the frames of a stream."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cad.media.container import OpenContainer
from cad.media.limits import MediaLimits
from cad.media.orientation import UPRIGHT, Orientation, turn
from cad.media.probe import orientation_in
from cad.media.swscale import DirectRgb

#: Pixel shapes outside this range are taken for damage.
_MAX_PIXEL_ASPECT = 4.0


class PictureForm(NamedTuple):
    """What may change from one frame of a stream to the next, and with it the size of what is handed over.

    Attributes:
        width: Of the stored picture, in pixels.
        height: Likewise.
        pixel_aspect: Width of a stored pixel over its height.
        orientation: How the picture must be turned to stand upright.
    """

    width: int
    height: int
    pixel_aspect: float
    orientation: Orientation


def form_of(source: OpenContainer, stream: VideoStream, frame: Any, before: PictureForm | None) -> PictureForm:
    """Return the form of a decoded frame of the file.

    Args:
        source: The file.
        stream: The picture that the frame belongs to.
        frame: The frame.
        before: Form of the frame before it. Only another size or a key frame can change it.
    """
    size = (frame.width, frame.height)
    if before is not None and size == (before.width, before.height) and not frame.key_frame:
        return before
    aspect = stream.sample_aspect_ratio
    if before is not None and size != (before.width, before.height):
        # What the container says holds for the first size alone; the coded picture may know better.
        aspect = stream.codec_context.sample_aspect_ratio
    elif before is not None:
        return before._replace(orientation=orientation_in(source, stream, frame))
    return PictureForm(*size, float(aspect or 1.0), orientation_in(source, stream, frame))


class PictureConverter:
    """Converts frames of one form at their own size, as far as the limits allow it.

    Args:
        form: Of all frames that it is given.
        limits: Say how large a picture may be handed over.
        is_still: Whether it is the only picture of its file.

    Attributes:
        form: As given.
        width: Of the picture that is handed over, in pixels.
        height: Likewise.
        file_height: Height of the upright picture before it was scaled.
    """

    def __init__(self, form: PictureForm, limits: MediaLimits, is_still: bool) -> None:
        self._reformatter = VideoReformatter()
        self._direct = DirectRgb(self._converted)
        self.form = form
        width, height = _square(form)
        self._stored = limits.handed_size(width, height, is_still)
        turned = form.orientation[0]
        self.width, self.height = self._stored[::-1] if turned else self._stored
        self.file_height = max(1, round(width if turned else height))

    def write(self, frame: Any, target: NDArray[np.uint8]) -> None:
        """Write the picture of ``frame`` to ``target``, uint8 (height, width, 3)."""
        is_plain = self.form.orientation == UPRIGHT and self._stored == (frame.width, frame.height)
        if is_plain and self._direct.write(frame, target):
            return
        pixels = turn(self._converted(frame), self.form.orientation)
        if not self.form.orientation[0]:
            target[...] = pixels
            return
        for channel in range(3):  # across the rows, three strided copies are 2.5 times as fast as one
            target[..., channel] = pixels[..., channel]

    def _converted(self, frame: Any) -> NDArray[np.uint8]:
        """Return a frame as PyAV converts it, at the size that is handed over, not turned yet."""
        width, height = self._stored
        scaled = (width, height) != (frame.width, frame.height)
        rgb = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="BICUBIC" if scaled else "BILINEAR"
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, abs(plane.line_size))
        if plane.line_size < 0:  # stored from the bottom up, which PyAV's memory is not
            rows = rows[::-1]
        return rows[:, : width * 3].reshape(height, width, 3)


def _square(form: PictureForm) -> tuple[float, float]:
    """Return the size with square pixels; it never shrinks a side."""
    aspect = form.pixel_aspect if 1 / _MAX_PIXEL_ASPECT <= form.pixel_aspect <= _MAX_PIXEL_ASPECT else 1.0
    if aspect >= 1:
        return form.width * aspect, float(form.height)
    return float(form.width), form.height / aspect
