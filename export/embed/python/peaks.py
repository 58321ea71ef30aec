# SPDX-License-Identifier: Apache-2.0
"""The strongest stretches of a stream: a mean over a long file drowns a short forgery."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np


class Peak(NamedTuple):
    """The most suspicious stretch of a stream among those of one length.

    Attributes:
        chances: Among how many places it is the highest, to the power of what a long mean keeps of a window's noise.
        faces: Among how many faces.
    """

    stream: str
    first: int
    stop: int
    track: int | None
    logit: float
    chances: float
    faces: float


def find_peaks(stream: str, lines: dict[int | None, np.ndarray], slots: int, rules: SimpleNamespace) -> list[Peak]:
    """Return the highest stretch of 2, 4, 8, ... seconds, up to half of what was judged; none in a short file."""
    known = {track: int((~np.isnan(line)).sum()) for track, line in lines.items()}
    judged = int((~np.isnan(highest(list(lines.values()), slots))).sum())
    peaks, length = [], rules.stretches.shortest_stretch_slots
    while length <= rules.stretches.max_stretch_share * judged:
        enough = {
            track: line for track, line in lines.items() if known[track] >= rules.stretches.min_known_share * length
        }
        found = [(*stretch, track) for track, line in enough.items() if (stretch := _highest(line, length, rules))]
        if found:
            logit, first, stop, track = max(found, key=lambda one: one[0])
            places = [max(known[track] / length, 1.0) for track in enough]
            keeps = math.sqrt(rules.stretches.shortest_stretch_slots / length)
            chances = (sum(places) / len(places)) ** keeps
            peaks.append(Peak(stream, first, stop, track, logit, chances, len(places)))
        length *= 2
    return peaks


def _highest(line: np.ndarray, length: int, rules: SimpleNamespace) -> tuple[float, int, int] | None:
    """Return (mean, first, stop) of the stretch with the highest mean, or None if too little of the line is known."""
    there = np.flatnonzero(~np.isnan(line))
    values = line[there[0] : there[-1] + 1]
    known = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    starts = np.arange(max(len(values) - length, 0) + 1)
    stops = np.minimum(starts + length, len(values))
    inside = count[stops] - count[starts]
    allowed = inside >= rules.stretches.min_known_share * length
    if not allowed.any():
        return None
    means = np.where(allowed, (total[stops] - total[starts]) / np.maximum(inside, 1), -np.inf)
    # Of stretches that are equally high the one of which most is known.
    best = int(np.where(means >= means.max() - 1e-9, inside, 0).argmax())
    first, last = np.flatnonzero(known[starts[best] : stops[best]])[[0, -1]] + starts[best] + there[0]
    return float(means[best]), int(first), int(last) + 1


def highest(lines: list[np.ndarray], slots: int) -> np.ndarray:
    """Return the greatest value in every slot; NaN where no line has one."""
    return np.fmax.reduce(lines) if lines else np.full(slots, np.nan)
