# SPDX-License-Identifier: Apache-2.0
"""Recording gives benchmarks one clip, decoded once, cut at any instant without encoding it anew."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.media.arrays import ArraySource

#: Time stamps of containers are rounded; a frame this little before a cut lies behind it.
ROUNDING_SECONDS = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Picture and sound of a clip as they are in the file.

    Attributes:
        frames: uint8 (height, width, 3) each.
        frame_seconds: float64 (frames,), rising.
        samples: float32 (samples,).
        rate_hz: Of the samples.
        sound_seconds: When the first of them is heard, on the clock of the frames.
    """

    frames: list[NDArray[np.uint8]]
    frame_seconds: NDArray[np.float64]
    samples: NDArray[np.float32]
    rate_hz: int
    sound_seconds: float

    @property
    def fps(self) -> float:
        """Mean rate of the frames."""
        return (len(self.frames) - 1) / float(self.frame_seconds[-1] - self.frame_seconds[0])

    @property
    def begin_seconds(self) -> float:
        """The first instant at which there are both."""
        return max(float(self.frame_seconds[0]), self.sound_seconds)

    def first_frame(self, cut_seconds: float) -> int:
        """Return which frame is the first at or after so much of the clip."""
        return bisect_left(self.frame_seconds, self.begin_seconds + cut_seconds - ROUNDING_SECONDS)

    def cut(self, cut_seconds: float, *, restarts: bool = False) -> ArraySource:
        """Return the clip without its first ``cut_seconds``.

        Args:
            cut_seconds: How much is left out, of picture and sound alike.
            restarts: Whether the first frame is shown at once, when the sound begins, as by tools that number the
                frames of what they write: the picture comes early by up to a frame.
        """
        at, first = self.begin_seconds + cut_seconds, self.first_frame(cut_seconds)
        early = float(self.frame_seconds[first]) - at if restarts else 0.0
        skipped = max(0, round((at - self.sound_seconds) * self.rate_hz))
        return ArraySource(
            self.frames[first:],
            self.frame_seconds[first:] - early,
            self.samples[skipped:],
            self.rate_hz,
            audio_start_seconds=self.sound_seconds + skipped / self.rate_hz,
            fps=self.fps,
        )

    def on_grid(self, moved_seconds: float) -> ArraySource:
        """Return the clip at 25 frames a second, in each slot the nearest frame, on a grid that begins later."""
        start = float(self.frame_seconds[self.first_frame(0.0)]) + moved_seconds
        slots = math.floor((float(self.frame_seconds[-1]) - start) * FRAME_RATE_HZ)
        wanted = start + np.arange(slots) / FRAME_RATE_HZ
        nearest = np.abs(self.frame_seconds[None] - wanted[:, None]).argmin(axis=1)
        skipped = max(0, round((start - self.sound_seconds) * self.rate_hz))
        return ArraySource(
            [self.frames[index] for index in nearest],
            wanted,
            self.samples[skipped:],
            self.rate_hz,
            audio_start_seconds=self.sound_seconds + skipped / self.rate_hz,
            fps=float(FRAME_RATE_HZ),
        )


def read_recording(path: Path) -> Recording:
    """Decode the first picture and the first sound of a file of one's own, in this process.

    Raises:
        av.FFmpegError: It cannot be read, or lacks one of them.
    """
    with av.open(str(path)) as container:
        shown = [(float(frame.time), upright(frame)) for frame in container.decode(video=0) if frame.time is not None]
    with av.open(str(path)) as container:
        rate_hz = int(container.streams.audio[0].rate)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        parts, start = [], None
        for frame in container.decode(audio=0):
            start = float(frame.time or 0.0) if start is None else start
            parts += resampler.resample(frame)
        parts += resampler.resample(None)
    samples = np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.float32)
    return Recording([pixels for _, pixels in shown], np.array([at for at, _ in shown]), samples, rate_hz, start or 0.0)


def upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), (frame.rotation // 90) % 4))
