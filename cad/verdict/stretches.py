# SPDX-License-Identifier: Apache-2.0
"""Scans a line of logits for its highest stretches of several lengths, which aggregation turns into peaks.

A multiscale scan: at every length the stretch whose mean is highest. How many independent places there were for it goes
along, since the highest of many is high by chance alone; calibration takes that off.

Source: Duembgen and Spokoiny, *Multiscale testing of qualitative hypotheses*, Annals of Statistics 29, 2001.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.verdict.timeline import Line

#: The shortest stretch, one window; each further length is twice the one before.
SHORTEST_STRETCH_SLOTS = 50
#: A stretch is at most this share of what was judged: a longer one is told by the mean over the whole.
MAX_STRETCH_SHARE = 0.5
#: A stretch of which less is known says too little.
MIN_KNOWN_SHARE = 0.5
#: Sums over ten hours of logits are exact to this.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a line, half open in slots, and the mean of what is known of it."""

    first_slot: int
    stop_slot: int
    mean: float


def stretch_lengths(judged_slots: int) -> list[int]:
    """Return the lengths that are scanned in a file of which so many slots were judged; none for a short file.

    Example:
        >>> stretch_lengths(99), stretch_lengths(100), stretch_lengths(750)
        ([], [50], [50, 100, 200])
    """
    lengths = []
    length = SHORTEST_STRETCH_SLOTS
    while length <= MAX_STRETCH_SHARE * judged_slots:
        lengths.append(length)
        length *= 2
    return lengths


def highest_stretch(line: Line, length: int, joints: Collection[int] = ()) -> Stretch | None:
    """Return the stretch of ``length`` slots with the highest mean, or None if too little of the line is known.

    Args:
        line: Of logits; what is unknown at its ends is left out.
        length: In slots; less where the line is known for less time.
        joints: Slots at which a new part of the file starts; no stretch crosses one.

    Example:
        >>> line = Line(5, np.repeat([0.0, np.nan, 3.0, 1.0], 10))
        >>> highest_stretch(line, 10)
        Stretch(first_slot=25, stop_slot=35, mean=3.0)
        >>> highest_stretch(line, 10, joints=[30])
        Stretch(first_slot=25, stop_slot=30, mean=3.0)
    """
    there = np.flatnonzero(line.known)
    if not len(there):
        return None
    offset = line.first_slot + int(there[0])
    values = line.values[there[0] : there[-1] + 1]
    known = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    starts = np.arange(max(len(values) - length, 0) + 1)
    stops = np.minimum(starts + length, len(values))
    inside = count[stops] - count[starts]
    allowed = (inside >= MIN_KNOWN_SHARE * length) & (joints_between(joints, starts + offset, stops + offset) == 0)
    if not allowed.any():
        return None
    means = np.where(allowed, (total[stops] - total[starts]) / np.maximum(inside, 1), -np.inf)
    # Of stretches that are equally high, up to the rounding of the sums, the one of which most is known.
    best = int(np.where(means >= means.max() - ROUNDING, inside, 0).argmax())
    first, last = np.flatnonzero(known[starts[best] : stops[best]])[[0, -1]] + starts[best] + offset
    return Stretch(int(first), int(last) + 1, float(means[best]))


def joints_between(joints: Collection[int], starts: NDArray[np.intp], stops: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many joints lie inside each of many stretches, int (stretches,); one at an end is not inside."""
    ordered = np.array(sorted(joints), dtype=np.intp)
    return np.searchsorted(ordered, stops, side="left") - np.searchsorted(ordered, starts, side="right")
