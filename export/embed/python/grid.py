# SPDX-License-Identifier: Apache-2.0
"""Time stamps and the grid: which picture is shown in which slot, and where sound belongs.

The clock is a grid of 25 slots a second with 640 samples of 16 kHz sound each. Slot ``i`` covers the times
``[i / 25, (i + 1) / 25)`` after the origin. Picture and sound meet by their time stamps, never by counting frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

SLOTS_PER_SECOND = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_SLOT = 640
#: Absorbs time stamps that a container rounded to its own clock.
TINY = 1e-6


def origin_seconds(video_start: float | None, audio_start: float | None) -> float:
    """Return the time of slot 0, from the times of the first picture and of the first sample.

    Where the sound comes first, the grid begins a whole number of slots before the picture, so that pictures at 25 a
    second lie on slots and not halfway between two.
    """
    starts = [start for start in (video_start, audio_start) if start is not None]
    if video_start is None:
        return min(starts, default=0.0)
    ahead = math.floor((video_start - min(starts)) * SLOTS_PER_SECOND + TINY)
    return video_start - ahead / SLOTS_PER_SECOND


def reach_seconds(fps: float, max_reach: float, rounding: float) -> float:
    """Return how far from its time stamp a picture may serve a slot.

    Half a period of the source or half a slot, the longer, but at most ``max_reach``; a container may have rounded its
    stamps by ``rounding``.
    """
    period = 1 / fps if fps > 0 else 1 / SLOTS_PER_SECOND
    return min(max(period, 1 / SLOTS_PER_SECOND) / 2, max_reach) + rounding


def place(stamped: Iterable[tuple[float, Any]], reach: float) -> Iterator[tuple[int, int, Any]]:
    """Yield (first slot, number of slots, picture): every slot shows the nearest picture within reach, or none.

    Args:
        stamped: (seconds after the origin, picture), in the order in which they are shown.
        reach: See ``reach_seconds``.
    """
    next_slot, last = 0, None
    for seconds, picture in stamped:
        if last is not None:
            if seconds <= last[0]:
                continue  # two stamps alike, or one that goes back: the first one counts
            until = min(last[0] + reach, (last[0] + seconds) / 2)
            first, stop = _slots(last[0], until, reach, next_slot)
            if stop > first:
                yield first, stop - first, last[1]
                next_slot = stop
        last = seconds, picture
    if last is not None:
        first, stop = _slots(last[0], last[0] + reach, reach, next_slot)
        if stop > first:
            yield first, stop - first, last[1]


def _slots(seconds: float, until: float, reach: float, next_slot: int) -> tuple[int, int]:
    first = max(next_slot, math.ceil((seconds - reach) * SLOTS_PER_SECOND - TINY))
    return first, math.floor(until * SLOTS_PER_SECOND + TINY) + 1


class SoundGrid:
    """Collects 16 kHz samples at places of the grid. Which slots hold enough of them is known at the end."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._filled = np.zeros(0, bool)
        self._end = 0

    def write(self, position: int, samples: np.ndarray) -> None:
        """Put samples at a place; those before slot 0, or where there are samples already, are cut off."""
        cut = max(0, self._end - position)
        samples, position = samples[cut:], position + cut
        if len(samples):
            self._end = position + len(samples)
            if self._end > len(self._samples):
                more = max(self._end, 2 * len(self._samples)) - len(self._samples)
                self._samples = np.concatenate([self._samples, np.zeros(more, np.float32)])
                self._filled = np.concatenate([self._filled, np.zeros(more, bool)])
            self._samples[position : self._end] = samples
            self._filled[position : self._end] = True

    def end(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples, float32 (slots * 640,) in [-1, 1], and which slots have sound, bool (slots,).

        A slot has sound if at least half of its samples exist; the others are zeros.
        """
        slots = (self._end + SAMPLES_PER_SLOT // 2) // SAMPLES_PER_SLOT
        samples = np.zeros(slots * SAMPLES_PER_SLOT, np.float32)
        filled = np.zeros(slots * SAMPLES_PER_SLOT, bool)
        known = min(self._end, len(samples))
        samples[:known] = np.clip(np.nan_to_num(self._samples[:known]), -1, 1)
        filled[:known] = self._filled[:known]
        present = filled.reshape(slots, SAMPLES_PER_SLOT).sum(axis=1) >= SAMPLES_PER_SLOT // 2
        samples.reshape(slots, SAMPLES_PER_SLOT)[~present] = 0
        return samples, present
