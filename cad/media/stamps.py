# SPDX-License-Identifier: Apache-2.0
"""StampReader tells the decoding process when a frame is shown or heard, in seconds on the container's clock."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.grid import period_seconds

#: Containers that store no presentation stamps: FFmpeg makes up what it reports for their reordered pictures.
_FORMATS_WITHOUT_STAMPS = {"avi"}
#: What most codecs put into a packet of sound.
_SOUND_PACKET_SECONDS = 0.02


def frames_per_second(stream: VideoStream) -> float:
    """Return the mean rate that the container or the codec states, or else FFmpeg's guess; 0 without any."""
    rate = stream.average_rate or stream.codec_context.framerate or stream.guessed_rate
    return float(rate) if rate else 0.0


def packet_period_seconds(stream: Any) -> float:
    """Return how long a packet of a stream lasts where it does not say so itself."""
    if stream.type == "video":
        return period_seconds(frames_per_second(stream))
    rate, samples = stream.codec_context.sample_rate, stream.codec_context.frame_size
    return samples / rate if rate > 0 and samples > 0 else _SOUND_PACKET_SECONDS


class StampReader:
    """Gives each frame of a stream its time, in order of presentation.

    Args:
        stream: Whose frames come.
        container_format: Name of FFmpeg's demuxer.
        start_seconds: When the stream begins, for a first frame without a stamp.
    """

    def __init__(
        self, stream: VideoStream | AudioStream, container_format: str, start_seconds: float = 0.0
    ) -> None:
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._expected_seconds = start_seconds
        self._by_count = isinstance(stream, VideoStream) and container_format in _FORMATS_WITHOUT_STAMPS
        self._delay: int | None = None

    def seconds(self, frame: Any) -> float:
        """Return the time of ``frame``; one without a stamp follows the frame before it."""
        stamp = frame.dts if frame.pts is None else frame.pts
        if self._by_count:
            stamp = self._decoding_order_stamp(frame)
        seconds = self._expected_seconds if stamp is None else float(stamp * self._time_base)
        if isinstance(self._stream, AudioStream):
            self._expected_seconds = seconds + float(frame.samples / frame.sample_rate)
        else:
            self._expected_seconds = seconds + period_seconds(frames_per_second(self._stream))
        return seconds

    def _decoding_order_stamp(self, frame: Any) -> int | None:
        """Return the time of the packet that pushed the frame out, less the decoder's delay.

        Without presentation stamps all that is certain is that the n-th picture shown belongs to the n-th packet.
        """
        if frame.dts is None:
            return None
        if self._delay is None:
            self._delay = frame.dts - (self._stream.start_time or 0)
        return int(frame.dts - self._delay)
