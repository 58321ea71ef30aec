# SPDX-License-Identifier: Apache-2.0
"""AudioPlacer gives the decoding process 16 kHz mono sound on the grid, placed by time stamps."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from av.audio.frame import AudioFrame

from cad.clock import SAMPLE_RATE_HZ
from cad.media.slots import Samples, SlotAssembler, mono_weights

#: Stamps are believed once they stray this far from the count of samples: rounding and jitter stay below, and the
#: sound stays within a third of a slot of its stamps.
STAMP_TOLERANCE_SECONDS = 0.015


class AudioPlacer:
    """Resamples runs of contiguous sound and writes each to the place that its first time stamp says.

    Args:
        assembler: Where the samples go.
    """

    def __init__(self, assembler: SlotAssembler) -> None:
        self._assembler = assembler
        self._resampler: av.AudioResampler | None = None
        self._signature: tuple[str, str, int] | None = None
        self._weights: Samples = np.ones(1, np.float32)
        self._run_start_seconds = 0.0
        self._run_input_samples = 0
        self._write_position = 0
        self.decoded_seconds = 0.0

    def push(self, seconds: float, frame: AudioFrame) -> None:
        """Take one decoded frame that starts at ``seconds`` (grid time)."""
        signature = (frame.format.name, frame.layout.name, frame.sample_rate)
        if signature != self._signature or self._strays(seconds, frame.sample_rate):
            self._start_run(seconds, frame, signature)
        assert self._resampler is not None
        self._run_input_samples += frame.samples
        self.decoded_seconds += frame.samples / frame.sample_rate
        frame.pts = None  # inside a run the count of samples is the clock
        self._write(self._resampler.resample(frame))

    def close(self) -> None:
        """Drain the resampler and the assembler."""
        self._drain()
        self._assembler.close()

    def _strays(self, seconds: float, rate: int) -> bool:
        expected = self._run_start_seconds + self._run_input_samples / rate
        return abs(seconds - expected) > STAMP_TOLERANCE_SECONDS

    def _start_run(self, seconds: float, frame: AudioFrame, signature: tuple[str, str, int]) -> None:
        self._drain()
        self._signature = signature
        self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE_HZ)
        self._weights = mono_weights(tuple(channel.name for channel in frame.layout.channels))
        self._run_start_seconds = seconds
        self._run_input_samples = 0
        self._write_position = round(seconds * SAMPLE_RATE_HZ)

    def _drain(self) -> None:
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None

    def _write(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            planes = frame.to_ndarray()
            mono = (self._weights @ planes).astype(np.float32, copy=False)
            self._assembler.write(self._write_position, mono)
            self._write_position += len(mono)
