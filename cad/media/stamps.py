# SPDX-License-Identifier: Apache-2.0
"""StampReader tells the decoding process when a frame is shown or heard, in seconds on the container's clock."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.clock import seconds_of

#: Containers that store no presentation stamps: what FFmpeg reports for their reordered pictures is made up.
_FORMATS_WITHOUT_STAMPS = {"avi"}


def frames_per_second(stream: VideoStream) -> float:
    """Return the mean rate that the container or the codec states, or else FFmpeg's guess; 0 if nothing does."""
    rate = stream.average_rate or stream.codec_context.framerate or stream.guessed_rate
    return float(rate) if rate else 0.0


class StampReader:
    """Gives each frame of a stream its time, in order of presentation.

    Args:
        stream: Whose frames come.
        container_format: Name of FFmpeg's demuxer.
    """

    def __init__(self, stream: VideoStream | AudioStream, container_format: str) -> None:
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._expected_seconds = 0.0
        self._by_count = isinstance(stream, VideoStream) and container_format in _FORMATS_WITHOUT_STAMPS
        self._delay: int | None = None

    def seconds(self, frame: Any) -> float:
        """Return the time of ``frame``; one without a stamp follows the frame before it."""
        stamp = self._decoding_order_stamp(frame) if self._by_count else _own_stamp(frame)
        seconds = self._expected_seconds if stamp is None else float(stamp * self._time_base)
        self._expected_seconds = seconds + self._length_seconds(frame)
        return seconds

    def _decoding_order_stamp(self, frame: Any) -> int | None:
        """Return the place in time of the packet that pushed the frame out, less the decoder's delay.

        Without presentation stamps the only sound reading is that the n-th picture shown belongs to the n-th packet.
        """
        if frame.dts is None:
            return None
        if self._delay is None:
            self._delay = frame.dts - (self._stream.start_time or 0)
        return int(frame.dts - self._delay)

    def _length_seconds(self, frame: Any) -> float:
        if isinstance(self._stream, AudioStream):
            return float(frame.samples / frame.sample_rate)
        fps = frames_per_second(self._stream)
        return 1 / fps if fps > 0 else seconds_of(1)


def _own_stamp(frame: Any) -> int | None:
    stamp: int | None = frame.pts if frame.pts is not None else frame.dts
    return stamp
