# SPDX-License-Identifier: Apache-2.0
"""Speech activity: in which slots somebody speaks. All other sound is silenced before the model hears it.

The level decides first, slot by slot; then a recurrent net (speech.onnx, Silero VAD) goes through every stretch that is
left. It decides over seconds: where it hears a voice, the sound around counts as the level says.
"""

from __future__ import annotations

import numpy as np
from grid import SAMPLE_RATE, SAMPLES_PER_SLOT
from kit import Kit
from numpy.lib.stride_tricks import sliding_window_view


def levels_dbfs(samples: np.ndarray, floor_dbfs: float, without_offset: bool) -> np.ndarray:
    """Return the level of every slot in dB of full scale, float64 (slots,)."""
    slots = samples.reshape(-1, SAMPLES_PER_SLOT).astype(np.float64)
    if without_offset:
        slots = slots - slots.mean(axis=1, keepdims=True)
    return 10 * np.log10(np.square(slots).mean(axis=1) + 10 ** (floor_dbfs / 10))


def find_speech(samples: np.ndarray, present: np.ndarray, kit: Kit) -> np.ndarray:
    """Return which slots hold speech, bool (slots,)."""
    rules = kit.rules
    if not present.any():
        return np.zeros(len(present), bool)
    level = levels_dbfs(samples, -120.0, without_offset=True)
    loud = float(np.percentile(level[present], 95))
    # Loud enough beside the file's loud slots, and rising and falling as speech does within two seconds.
    loud_enough = level > max(rules.speech.floor_dbfs, loud - rules.speech.below_loud_db)
    around = sliding_window_view(
        np.pad(level, rules.speech.level_range_slots // 2, mode="edge"), rules.speech.level_range_slots
    )
    moving = present & loud_enough & (np.ptp(around, axis=1) > rules.speech.min_level_range_db)
    moving = flip_short_runs(moving, False, rules.speech.max_pause_slots, at_edges=False) & present
    moving = flip_short_runs(moving, True, rules.speech.min_burst_slots - 1, at_edges=True)
    # A voice where the net's mean over the sound of two seconds is high enough.
    voice = np.zeros(len(moving))
    gain = np.float32(10 ** ((rules.speech.heard_at_dbfs - loud) / 20))
    for start, stop in runs(moving):
        part = samples[start * SAMPLES_PER_SLOT : stop * SAMPLES_PER_SLOT]
        voice[start:stop] = _by_slot(_hear(part * gain, kit), stop - start, rules.speech_net.block_samples)
    reach = rules.speech.voice_reach_slots
    mean = _sum_around(voice, reach) / np.maximum(_sum_around(moving, reach), rules.speech.max_pause_slots)
    return moving & (_sum_around(moving & (mean >= rules.speech.min_voice), reach) > 0.5)


def _hear(samples: np.ndarray, kit: Kit) -> np.ndarray:
    """Return the net's probability of speech for every block of 512 samples; the last one is filled up with zeros."""
    block, context = kit.rules.speech_net.block_samples, kit.rules.speech_net.context_samples
    state, said = np.zeros((2, 1, 128), np.float32), []
    padded = np.pad(samples.astype(np.float32), (context, -len(samples) % block))
    for start in range(0, len(padded) - context, block):
        # Every block comes with the last samples of the one before it; the state goes along.
        given = padded[None, start : start + context + block]
        probability, state = kit.run("speech", input=given, state=state, sr=np.array(SAMPLE_RATE, np.int64))
        said.append(probability[0, 0])
    return np.array(said, np.float32)


def _by_slot(blocks: np.ndarray, slots: int, block: int) -> np.ndarray:
    """Return the highest of the blocks that lie in each slot."""
    first = np.arange(slots) * SAMPLES_PER_SLOT // block
    last = (np.arange(1, slots + 1) * SAMPLES_PER_SLOT - 1) // block
    return np.maximum.reduce([blocks[first], blocks[np.minimum(first + 1, last)], blocks[last]])


def _sum_around(values: np.ndarray, reach: int) -> np.ndarray:
    total = np.cumsum(np.pad(values.astype(np.float64), (reach + 1, reach)))
    return total[2 * reach + 1 :] - total[: -2 * reach - 1]


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the unbroken stretches of True as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def flip_short_runs(mask: np.ndarray, value: bool, longest: int, at_edges: bool) -> np.ndarray:
    """Return ``mask`` with the runs of ``value`` that are at most ``longest`` flipped."""
    flipped = mask.copy()
    for start, stop in runs(mask == value):
        if stop - start <= longest and (at_edges or (start > 0 and stop < len(mask))):
            flipped[start:stop] = not value
    return flipped
