# SPDX-License-Identifier: Apache-2.0
"""Sound onto the grid: 16 kHz mono, placed by time stamps (decoding process only)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

Samples = NDArray[np.float32]
#: How far stamps may stray from the count of samples before they are believed: rounding and jitter stay below, and
#: the sound stays within a third of a slot of its stamps.
STAMP_TOLERANCE_SECONDS = 0.015
#: A slot counts as present when at least this many of its samples exist.
MIN_SAMPLES_OF_SLOT = SAMPLES_PER_FRAME // 2
#: Weights of loudspeaker positions in the mono mix, before they are divided by their sum.
#: Source: ITU-R BS.775 (centre 1, front 0.7071, surround 0.5, low frequency left out).
_CHANNEL_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_OTHER_CHANNEL_WEIGHT = 0.5


class SlotAssembler:
    """Collects samples at positions of the grid and hands on whole slots, in order, with their presence.

    Args:
        emit: Takes (first slot, float32 samples (slots * 640,), bool present (slots,)).
        block_slots: Slots handed on at a time.
    """

    def __init__(self, emit: Callable[[int, Samples, NDArray[np.bool_]], None], block_slots: int) -> None:
        self._emit = emit
        self._block_slots = block_slots
        self._samples = np.zeros(block_slots * SAMPLES_PER_FRAME, np.float32)
        self._filled = np.zeros(block_slots * SAMPLES_PER_FRAME, np.bool_)
        self._first_slot = 0
        self.position = 0

    def write(self, position: int, samples: Samples) -> None:
        """Put ``samples`` at grid sample ``position``; what lies before slot 0 or was already written is cut off."""
        cut = max(0, self.position - position)
        samples = samples[cut:]
        position += cut
        while len(samples):
            self._advance_to(position)
            offset = position - self._first_slot * SAMPLES_PER_FRAME
            part = samples[: len(self._samples) - offset]
            self._samples[offset : offset + len(part)] = part
            self._filled[offset : offset + len(part)] = True
            position += len(part)
            samples = samples[len(part) :]
            self.position = position

    def close(self) -> None:
        """Hand on what is left; a last slot that is mostly empty is dropped."""
        left = self.position - self._first_slot * SAMPLES_PER_FRAME
        self._flush((left + SAMPLES_PER_FRAME - MIN_SAMPLES_OF_SLOT) // SAMPLES_PER_FRAME)

    def _advance_to(self, position: int) -> None:
        while position >= (self._first_slot + self._block_slots) * SAMPLES_PER_FRAME:
            self._flush(self._block_slots)

    def _flush(self, slots: int) -> None:
        if slots <= 0:
            return
        end = slots * SAMPLES_PER_FRAME
        present = self._filled[:end].reshape(slots, -1).sum(axis=1) >= MIN_SAMPLES_OF_SLOT
        samples = np.clip(np.nan_to_num(self._samples[:end]), -1.0, 1.0).reshape(slots, -1)
        samples[~present] = 0.0
        self._emit(self._first_slot, samples.reshape(-1), present)
        self._first_slot += slots
        self._samples[:] = 0.0
        self._filled[:] = False


class AudioPlacer:
    """Resamples runs of contiguous sound and writes each at the place that its first time stamp says.

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
        frame.pts = None  # the count of samples is the clock inside a run
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


def mono_weights(channels: tuple[str, ...]) -> Samples:
    """Return the weights (channels,) of a mono mix; they sum to 1, so that identical channels keep their level.

    Example:
        >>> mono_weights(("FL", "FR")).tolist()
        [0.5, 0.5]
    """
    weights = np.array([_CHANNEL_WEIGHTS.get(name, _OTHER_CHANNEL_WEIGHT) for name in channels], np.float32)
    if weights.sum() <= 0:
        weights[:] = 1.0
    normalized: Samples = weights / weights.sum()
    return normalized
