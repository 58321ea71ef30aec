# SPDX-License-Identifier: Apache-2.0
"""Reads a clip as it is for the perturbations: frames with time stamps at their own size and rate, sound at its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from cad.errors import MediaUnreadableError
from cad.resampling import of_length, resampled

DEFAULT_FPS = Fraction(25)


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono sound of a clip.

    Attributes:
        samples: float32 (samples,) in [-1, 1].
        rate_hz: Samples a second.
    """

    samples: NDArray[np.float32]
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate_hz

    def cut(self, start_seconds: float, stop_seconds: float) -> Sound:
        """Return the stretch [start, stop) of it; what lies beyond its ends is not invented."""
        first, last = (max(0, round(second * self.rate_hz)) for second in (start_seconds, stop_seconds))
        return Sound(self.samples[first:last], self.rate_hz)

    def at_rate(self, rate_hz: int) -> Sound:
        """Return it at another rate, through the band that both hold."""
        return Sound(resampled(self.samples, self.rate_hz, rate_hz), rate_hz)

    def fitted(self, length: int) -> Sound:
        """Return it cut or filled with silence to ``length`` samples."""
        return Sound(of_length(self.samples, length), self.rate_hz)


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame and when it is shown.

    Attributes:
        seconds: After the clip's first instant at which every stream exists.
        pixels: uint8 (height, width, 3) RGB, upright.
    """

    seconds: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What the writer must know of a clip: the instant at which it begins and the rate of its frames."""

    origin_seconds: float
    fps: Fraction | None
    has_sound: bool


def clip_info(file: Path) -> ClipInfo:
    """Return where a clip begins.

    Raises:
        MediaUnreadableError: It cannot be opened.
    """
    try:
        with av.open(str(file)) as container:
            video = next(iter(container.streams.video), None)
            fps = None if video is None else Fraction(video.average_rate or DEFAULT_FPS)
            kinds = [stream.type for stream in (video, next(iter(container.streams.audio), None)) if stream is not None]
        starts = [_first_seconds(file, kind) for kind in kinds]
    except (av.FFmpegError, OSError) as error:
        raise MediaUnreadableError(file, f"cannot be opened: {error}") from error
    return ClipInfo(max(starts, default=0.0), fps, "audio" in kinds)


def read_pictures(file: Path, info: ClipInfo) -> Iterator[Picture]:
    """Yield the frames of a clip in the order in which they are shown, rotated as its display matrix says."""
    if info.fps is None:
        return
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            if frame.time is None:
                continue
            pixels = np.rot90(frame.to_ndarray(format="rgb24"), (frame.rotation // 90) % 4)
            seconds = float(frame.time) - info.origin_seconds
            # Half a frame of tolerance: a frame that is on the screen at the first instant belongs to the clip.
            if seconds >= -0.5 / float(info.fps):
                yield Picture(max(seconds, 0.0), np.ascontiguousarray(pixels))


def read_sound(file: Path, info: ClipInfo) -> Sound | None:
    """Return the sound of a clip from its first instant on, or None."""
    if not info.has_sound:
        return None
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        rate = int(stream.rate)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        parts: list[NDArray[np.float32]] = []
        start: float | None = None
        for frame in container.decode(stream):
            start = float(frame.time or 0.0) if start is None else start
            parts += _samples(resampler.resample(frame))
        parts += _samples(resampler.resample(None))
    if not parts:
        return None
    samples = np.concatenate(parts)
    skip = round((info.origin_seconds - (start or 0.0)) * rate)
    return Sound(samples[max(skip, 0) :], rate)


def _samples(frames: Iterable[av.AudioFrame]) -> list[NDArray[np.float32]]:
    return [np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1) for frame in frames]


def _first_seconds(file: Path, kind: str) -> float:
    """Return the time of the first frame of a stream.

    What the container states as the stream's start is not it: for Opus in Matroska it counts the encoder's padding,
    which the decoder drops, a second time (13 ms).
    """
    with av.open(str(file)) as container:
        frames = cast("Iterator[av.VideoFrame]", container.decode(**{kind: 0}))
        return next((float(frame.time) for frame in frames if frame.time is not None), 0.0)
