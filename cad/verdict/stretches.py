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

from cad.verdict.timeline import Timeline

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


def highest_stretch(line: Timeline, length: int, joints: Collection[int] = ()) -> Stretch | None:
    """Return the stretch of ``length`` slots with the highest mean, or None if too little of the line is known.

    Args:
        line: float64 (slots,), NaN where nothing was scored.
        length: In slots; less where the line is known for less time.
        joints: Slots at which a new part of the file starts; no stretch crosses one.

    Example:
        >>> line = np.repeat([0.0, np.nan, 3.0, 1.0], 10)
        >>> highest_stretch(line, 10)
        Stretch(first_slot=20, stop_slot=30, mean=3.0)
        >>> highest_stretch(line, 10, joints=[25])
        Stretch(first_slot=20, stop_slot=25, mean=3.0)
    """
    there = np.flatnonzero(~np.isnan(line))
    if not len(there):
        return None
    # A film has hundreds of faces, each seen for seconds: only its own time is scanned.
    offset = int(there[0])
    line = line[offset : there[-1] + 1]
    known = ~np.isnan(line)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, line, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    starts = np.arange(max(len(line) - length, 0) + 1)
    stops = np.minimum(starts + length, len(line))
    inside = count[stops] - count[starts]
    allowed = inside >= MIN_KNOWN_SHARE * length
    for joint in joints:
        allowed[(starts + offset < joint) & (joint < stops + offset)] = False
    if not allowed.any():
        return None
    means = np.where(allowed, (total[stops] - total[starts]) / np.maximum(inside, 1), -np.inf)
    # Of stretches that are equally high, up to the rounding of the sums, the one of which most is known.
    best = int(np.where(means >= means.max() - ROUNDING, inside, 0).argmax())
    first, last = np.flatnonzero(known[starts[best] : stops[best]])[[0, -1]] + starts[best] + offset
    return Stretch(int(first), int(last) + 1, float(means[best]))
