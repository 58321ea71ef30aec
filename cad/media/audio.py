# SPDX-License-Identifier: Apache-2.0
"""AudioPlacer gives the decoding process 16 kHz mono sound on the grid, placed by time stamps."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from av.audio.frame import AudioFrame

from cad.clock import SAMPLE_RATE_HZ
from cad.media.mixing import MonoMixer, Samples
from cad.media.slots import SlotAssembler

#: Stamps are believed once they stray this far from the count of samples: rounding and jitter stay below, and the
#: sound stays within a third of a slot of its stamps.
STAMP_TOLERANCE_SECONDS = 0.015


class AudioPlacer:
    """Resamples runs of contiguous sound and writes each to the place that its first time stamp says.

    Args:
        assembler: Where the samples go.
        channels: FFmpeg's name of each channel; None takes them from the frames.
    """

    def __init__(self, assembler: SlotAssembler, channels: tuple[str, ...] | None = None) -> None:
        self._assembler = assembler
        self._channels = channels
        self._resampler: av.AudioResampler | None = None
        self._signature: tuple[str, str, int] | None = None
        self._mixer: MonoMixer | None = None
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
        # Packed: PyAV takes a null pointer for the end of a frame's planes, and behind the eighth there is none.
        self._resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE_HZ)
        channels = self._channels
        if channels is None or len(channels) != frame.layout.nb_channels:
            channels = tuple(channel.name for channel in frame.layout.channels)
        if self._mixer is None or self._mixer.channels != channels:
            self._mixer = MonoMixer(channels)
        self._run_start_seconds = seconds
        self._run_input_samples = 0
        self._write_position = round(seconds * SAMPLE_RATE_HZ)

    def _drain(self) -> None:
        if self._resampler is not None and self._mixer is not None:
            self._write(self._resampler.resample(None))
            self._place(self._mixer.flush())
            self._resampler = None

    def _write(self, frames: Iterable[AudioFrame]) -> None:
        assert self._mixer is not None
        for frame in frames:
            samples = np.asarray(frame.to_ndarray(), np.float32)
            self._place(self._mixer.mix(samples.reshape(frame.samples, -1)))

    def _place(self, mono: Samples) -> None:
        self._assembler.write(self._write_position, mono)
        self._write_position += len(mono)
