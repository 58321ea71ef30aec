# SPDX-License-Identifier: Apache-2.0
"""Measures how loud sound is, the same for finding speech and speakers, for forging and for audits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME

#: Hours of sound are not doubled in memory as float64; a minute is.
_SLOTS_AT_ONCE = 1500


def slot_levels_dbfs(
    samples: NDArray[np.float32], floor_dbfs: float = -120.0, without_offset: bool = False
) -> NDArray[np.float64]:
    """Return the level of every whole slot in dB relative to full scale, float64 (slots,).

    Args:
        samples: float32 (samples,) in [-1, 1] at 16 kHz.
        floor_dbfs: Level of the power that is added to every slot, so that silence has a level.
        without_offset: Take the mean of each slot out: a constant offset of a cheap sound card is not sound.

    Example:
        >>> slot_levels_dbfs(np.full(700, 0.1, np.float32)).round(1).tolist()
        [-20.0]
    """
    whole = len(samples) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
    slots = samples[:whole].reshape(-1, SAMPLES_PER_FRAME)
    power = np.empty(len(slots))
    for start in range(0, len(slots), _SLOTS_AT_ONCE):
        block = slots[start : start + _SLOTS_AT_ONCE].astype(np.float64)
        if without_offset:
            block -= block.mean(axis=1, keepdims=True)
        power[start : start + len(block)] = np.square(block).mean(axis=1)
    return np.asarray(10.0 * np.log10(power + 10.0 ** (floor_dbfs / 10)))


def levels_for_lips(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of every whole slot, in dBFS, that the motion of lips is held against."""
    return slot_levels_dbfs(samples, floor_dbfs=-100.0)


def slot_loudness(level: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the loudness of each slot in dB, at least 50 dB below the loudest; NaN where there is no sound.

    Args:
        level: Of each slot, from ``levels_for_lips``.
        present: bool (slots,), where there is sound.
    """
    if present.any():
        level = np.maximum(level, level[present].max() - 50)
    return np.where(present, level, np.nan)


def rms(samples: NDArray[np.floating]) -> float:
    """Return the root mean square of ``samples``, 0 of none.

    Example:
        >>> rms(np.array([0.5, -0.5], np.float32)), rms(np.zeros(0, np.float32))
        (0.5, 0.0)
    """
    return float(np.sqrt(np.mean(np.square(samples), dtype=np.float64))) if len(samples) else 0.0
