# SPDX-License-Identifier: Apache-2.0
"""AnimatedWebp gives the decoding process the pictures of an animated WebP; FFmpeg decodes only its parts.

Source: WebP Container Specification (RFC 9649), sections 2.3 to 2.7.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.error import MemoryError as AvMemoryError
from numpy.typing import NDArray

from cad.closing import Closing
from cad.errors import MediaLimitError, MediaUnreadableError
from cad.media.limits import MediaLimits
from cad.media.orientation import UPRIGHT
from cad.media.records import MediaInfo, MediaKind, VideoStreamInfo

Pixels = NDArray[np.uint8]

#: A delay up to this is meant as "as fast as you can"; browsers show such a picture for a tenth of a second, and so
#: does FFmpeg with GIF.
_SHORTEST_DELAY_MS = 10
_DEFAULT_DELAY_MS = 100
_ANIMATION, _ALPHA = 0x02, 0x10
_DISPOSE, _NO_BLEND = 0x01, 0x02
_FRAME_HEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Part:
    """One picture of the animation: where its chunks lie, where it is drawn, and when."""

    offset: int
    size: int
    left: int
    top: int
    width: int
    height: int
    start_ms: int
    flags: int


class AnimatedWebp(Closing):
    """An animated WebP as video; made by ``open_animated_webp``.

    Transparent pixels show what was drawn before, black at first.

    Args:
        fd: Descriptor of the file; not closed.
        name: What errors call it.
        limits: What it may cost.

    Raises:
        MediaUnreadableError: It has no picture.
        MediaLimitError: It has more pixels or seconds than the limits allow.
    """

    def __init__(self, fd: int, name: str, limits: MediaLimits) -> None:
        self.bad_packets = 0
        self.orientation = UPRIGHT
        self._fd = fd
        self._max_pixels = limits.max_pixels_per_frame
        head = os.pread(fd, 30, 0)
        self._width, self._height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        limits.check_picture(name, self._width, self._height)
        size_bytes = os.fstat(fd).st_size
        stated_bytes = int.from_bytes(head[4:8], "little") + 8
        self._parts = _parts(fd, min(size_bytes, stated_bytes), limits.max_duration_seconds)
        if not self._parts:
            raise MediaUnreadableError(name, "its header is damaged: an animation without pictures")
        end_ms = self._parts[-1].start_ms
        if end_ms > limits.max_duration_seconds * 1000:
            raise MediaLimitError(name, f"goes on after the limit of {limits.max_duration_seconds:.0f} s")
        fps = 1000 * (len(self._parts) - 1) / end_ms if end_ms else 0.0
        # The header states the size; of a file that ends early nothing else tells how much is gone.
        missing = max(1.0, stated_bytes / size_bytes) if stated_bytes > size_bytes + 1 else 1.0
        self.bad_packets = int(missing > 1)
        kind = MediaKind.IMAGE if len(self._parts) == 1 and missing == 1 else MediaKind.VIDEO
        seconds = (end_ms / 1000 + (1 / fps if fps else 0.0)) * missing
        video = VideoStreamInfo(
            codec="webp",
            width_px=self._width,
            height_px=self._height,
            fps=fps,
            rotation_degrees=0,
            start_seconds=0.0,
            declared_frames=len(self._parts) if missing == 1 else None,
            declared_seconds=seconds or None,
            stated_share=1 / missing,
        )
        self.info = MediaInfo(
            path=name,
            kind=kind,
            container="webp",
            size_bytes=size_bytes,
            duration_seconds=0.0 if kind is MediaKind.IMAGE else seconds,
            origin_seconds=0.0,
            video=video,
            audio=None,
            videos=(video,),
        )

    def frames(self, on_packet: Callable[[], None]) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, frame), every picture as it is seen; ``on_packet`` is called for each."""
        canvas = np.zeros((self._height, self._width, 3), np.uint8)
        decoder = av.CodecContext.create("webp", "r")
        decoder.options = {"max_pixels": str(self._max_pixels)}
        for part in self._parts:
            on_packet()
            drawn = self._decoded(decoder, part)
            if drawn is None:
                self.bad_packets += 1
                continue
            place = canvas[part.top : part.top + part.height, part.left : part.left + part.width]
            _draw(*drawn, place, blend=not part.flags & _NO_BLEND)
            frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
            frame.pts, frame.time_base = part.start_ms, Fraction(1, 1000)
            yield part.start_ms / 1000, frame
            if part.flags & _DISPOSE:
                place[...] = 0

    def share(self, frame: Any) -> float:
        """Return how much of a frame was decoded: a part that is damaged shows the picture before."""
        return 1.0

    def close(self) -> None:
        """Nothing is held but the descriptor, which belongs to the caller."""

    def _decoded(self, decoder: Any, part: _Part) -> tuple[Pixels, Pixels | None] | None:
        """Return the colours (height, width, 3) and the alpha (height, width) of one picture, None if it is damaged."""
        packet = av.Packet(_as_still(os.pread(self._fd, part.size, part.offset), part))
        try:
            frames = decoder.decode(packet)
        except AvMemoryError:
            raise
        except (FFmpegError, ValueError):
            return None
        frame = frames[0] if frames else None
        if frame is None or frame.is_corrupt or (frame.width, frame.height) != (part.width, part.height):
            return None
        return frame.to_ndarray(format="rgb24"), _alpha(frame)


def open_animated_webp(fd: int, name: str, limits: MediaLimits) -> AnimatedWebp | None:
    """Return the animation behind a descriptor, or None where the file is no animated WebP.

    Raises:
        MediaUnreadableError, MediaLimitError: As AnimatedWebp.
    """
    head = os.pread(fd, 30, 0)
    if len(head) < 30 or head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or not head[20] & _ANIMATION:
        return None
    return AnimatedWebp(fd, name, limits)


def _parts(fd: int, end: int, max_seconds: float) -> list[_Part]:
    """Return the pictures of the file that are there whole, up to the first beyond ``max_seconds``."""
    found: list[_Part] = []
    position, start_ms = 12, 0
    while position + 8 <= end and start_ms <= max_seconds * 1000:
        head = os.pread(fd, 8 + _FRAME_HEAD_BYTES, position)
        kind, size = struct.unpack_from("<4sI", head)
        if position + 8 + size > end:
            break
        if kind == b"ANMF" and size >= _FRAME_HEAD_BYTES:
            left, top, width, height, delay_ms = (
                int.from_bytes(head[at : at + 3], "little") for at in range(8, 8 + 15, 3)
            )
            part = _Part(
                position + 8 + _FRAME_HEAD_BYTES,
                size - _FRAME_HEAD_BYTES,
                2 * left,
                2 * top,
                width + 1,
                height + 1,
                start_ms,
                head[8 + 15],
            )
            found.append(part)
            start_ms += delay_ms if delay_ms > _SHORTEST_DELAY_MS else _DEFAULT_DELAY_MS
        position += 8 + size + size % 2
    return found


def _as_still(chunks: bytes, part: _Part) -> bytes:
    """Return one picture's chunks as a WebP file of their own."""
    if chunks[:4] == b"ALPH":
        sides = (part.width - 1).to_bytes(3, "little") + (part.height - 1).to_bytes(3, "little")
        chunks = b"VP8X" + struct.pack("<II", 10, _ALPHA) + sides + chunks
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _alpha(frame: Any) -> Pixels | None:
    """Return the alpha (height, width) of a frame, None if it is opaque.

    It is read as it was decoded: swscale's way from YUV to RGB with alpha gets the last columns wrong where the width
    is no multiple of 8.
    """
    if frame.format.name == "yuva420p":
        plane = frame.planes[3]
        return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    if frame.format.name == "argb":
        alpha: Pixels = frame.to_ndarray()[..., 0]
        return alpha
    return None


def _draw(colour: Pixels, alpha: Pixels | None, place: Pixels, blend: bool) -> None:
    """Draw colours on their place of the canvas (height, width, 3); what does not fit is cut off."""
    height, width, _ = place.shape
    colour = colour[:height, :width]
    if alpha is None or alpha.min() == 255:
        place[...] = colour
        return
    for row in range(height):  # row by row, since the products take much memory
        weight = alpha[row, :width, None].astype(np.uint16)
        below = place[row] * (255 - weight) if blend else 0
        place[row] = (colour[row] * weight + below + 127) // 255
