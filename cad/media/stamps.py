# SPDX-License-Identifier: Apache-2.0
"""StampReader tells the decoding process when a frame is shown or heard, in seconds on the container's clock."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.grid import period_seconds

#: Containers that store no presentation stamps: FFmpeg makes up what it reports for their reordered pictures.
_FORMATS_WITHOUT_STAMPS = {"avi"}
#: What most codecs put into a packet of sound.
_SOUND_PACKET_SECONDS = 0.02
#: A codec's rate is believed if the stamps tell of one between these shares of it: pairs of fields have twice as many.
_LEAST_OF_STATED, _MOST_OF_STATED = 0.9, 2.2
#: Pictures that stand for longer than this are slides and have no rate; fewer steps than this measure none.
_LONGEST_STEP_SECONDS, _FEWEST_STEPS = 1.0, 4
#: Steps within this share of the middle one are of the same rate: containers round stamps.
_SAME_STEP = 0.25
#: Steps are counted in so many to the second.
_STEPS_HZ = 10_000
#: No codec shows a picture later than after so many that are stored behind it. Source: H.264, max_dec_frame_buffering.
_REORDERED_PICTURES = 16


def in_seconds(ticks: int, time_base: Fraction) -> float:
    """Return ticks of a clock in seconds: just ``float(ticks * time_base)``, at a tenth of its cost.

    Example:
        >>> in_seconds(1001, Fraction(1, 30000)) == float(1001 * Fraction(1, 30000))
        True
    """
    return ticks * time_base.numerator / time_base.denominator


def frames_per_second(stream: VideoStream, measured_hz: float = 0.0) -> float:
    """Return the mean rate of the pictures of a stream; 0 where nothing tells one.

    Args:
        stream: Whose container or codec may state one, or else FFmpeg guesses.
        measured_hz: What the stamps of its packets tell, 0 if nothing. It counts where the container states no rate,
            and the codec one that cannot be: that of MPEG-4 is the resolution of its clock.
    """
    if stream.average_rate:
        return float(stream.average_rate)
    rate = float(stream.codec_context.framerate or stream.guessed_rate or 0)
    is_likely = _LEAST_OF_STATED * rate <= measured_hz <= _MOST_OF_STATED * rate
    return rate if is_likely or not measured_hz else measured_hz


class RateMeter:
    """Measures the rate of pictures by their time stamps, whatever is left out, joined or stored out of order."""

    def __init__(self) -> None:
        self._coming: list[float] = []
        self._last: float | None = None
        self._steps: Counter[int] = Counter()

    def push(self, seconds: float) -> None:
        """Take the time at which the next stored picture is shown."""
        if len(self._coming) < _REORDERED_PICTURES:
            heapq.heappush(self._coming, seconds)
            return
        self._show(self._steps, heapq.heappushpop(self._coming, seconds))

    def rate_hz(self) -> float:
        """Return the usual rate of what has come so far; 0 if there is none."""
        steps, last = self._steps.copy(), self._last
        for seconds in sorted(self._coming):
            self._show(steps, seconds)
        self._last = last
        middle = steps.total() / 2
        counts = sorted(steps.items())
        before = itertools.accumulate(count for _, count in counts)
        usual = next((step for (step, _), sofar in zip(counts, before, strict=True) if sofar >= middle), 0)
        same = [(step, count) for step, count in counts if abs(step - usual) <= _SAME_STEP * usual]
        if steps.total() < _FEWEST_STEPS:
            return 0.0
        return _STEPS_HZ * sum(count for _, count in same) / sum(step * count for step, count in same)

    def _show(self, steps: Counter[int], seconds: float) -> None:
        step = 0.0 if self._last is None else seconds - self._last
        self._last = seconds
        if 1 / _STEPS_HZ <= step <= _LONGEST_STEP_SECONDS:
            steps[round(step * _STEPS_HZ)] += 1


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
        fps: Mean rate of pictures, 0 where nothing tells one.
    """

    def __init__(
        self, stream: VideoStream | AudioStream, container_format: str, start_seconds: float = 0.0, fps: float = 0.0
    ) -> None:
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._expected_seconds = start_seconds
        self._fps = fps
        self._by_count = isinstance(stream, VideoStream) and container_format in _FORMATS_WITHOUT_STAMPS
        self._delay: int | None = None

    def seconds(self, frame: Any) -> float:
        """Return the time of ``frame``; one without a stamp follows the frame before it."""
        stamp = frame.dts if frame.pts is None else frame.pts
        if self._by_count:
            stamp = self._decoding_order_stamp(frame)
        seconds = self._expected_seconds if stamp is None else in_seconds(stamp, self._time_base)
        if isinstance(self._stream, AudioStream):
            self._expected_seconds = seconds + float(frame.samples / frame.sample_rate)
        else:
            self._expected_seconds = seconds + period_seconds(self._fps)
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
