# SPDX-License-Identifier: Apache-2.0
"""SlotAssembler gives whoever reads sound whole slots of the grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME

Samples = NDArray[np.float32]
#: A slot counts as present when at least this many of its samples exist.
MIN_SAMPLES_OF_SLOT = SAMPLES_PER_FRAME // 2


class SlotAssembler:
    """Collects samples at positions of the grid and hands on whole slots in order, with their presence.

    Long stretches without samples are left out: hours of them cost nothing.

    Args:
        emit: Takes (first slot, float32 samples (slots * 640,), bool present (slots,)).
        block_slots: Slots handed on at a time.
        stop_slot: Samples from this slot on are cut off.
    """

    def __init__(
        self,
        emit: Callable[[int, Samples, NDArray[np.bool_]], None],
        block_slots: int,
        stop_slot: float = math.inf,
    ) -> None:
        self._emit = emit
        self._block_slots = block_slots
        self._stop_position = stop_slot * SAMPLES_PER_FRAME
        self._samples = np.zeros(block_slots * SAMPLES_PER_FRAME, np.float32)
        self._filled = np.zeros(block_slots * SAMPLES_PER_FRAME, np.bool_)
        self._first_slot = 0
        self.position = 0

    def write(self, position: int, samples: Samples) -> None:
        """Put ``samples`` at grid sample ``position``; those before slot 0 or already written are cut off."""
        cut = max(0, self.position - position)
        samples = samples[cut:]
        position += cut
        if position + len(samples) > self._stop_position:
            samples = samples[: max(0, int(self._stop_position) - position)]
        while len(samples):
            if position >= (self._first_slot + self._block_slots) * SAMPLES_PER_FRAME:
                self._flush(self._block_slots)
                self._first_slot = max(self._first_slot, position // SAMPLES_PER_FRAME)
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

    def _flush(self, slots: int) -> None:
        if slots <= 0:
            return
        end = slots * SAMPLES_PER_FRAME
        present = self._filled[:end].reshape(slots, -1).sum(axis=1) >= MIN_SAMPLES_OF_SLOT
        if present.any():
            samples = np.clip(np.nan_to_num(self._samples[:end]), -1.0, 1.0).reshape(slots, -1)
            samples[~present] = 0.0
            self._emit(self._first_slot, samples.reshape(-1), present)
        self._first_slot += slots
        self._samples[:] = 0.0
        self._filled[:] = False
