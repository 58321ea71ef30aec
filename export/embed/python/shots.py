# SPDX-License-Identifier: Apache-2.0
"""Where one shot ends and the next begins: no face is followed across a cut."""

from __future__ import annotations

from collections import deque

import numpy as np
from kit import Kit


class Cuts:
    """Takes pictures in order and says for each whether a new shot starts with it."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.rules = kit, kit.rules
        self.last: np.ndarray | None = None
        self.size: tuple[int, ...] = ()
        self.changes: deque[float] = deque(maxlen=kit.rules.cuts.memory)
        self.cut_before = False

    def push(self, picture: np.ndarray) -> bool:
        """Take the next picture; True if it starts a new shot. The product lets a shot go on at another size."""
        (now,) = self.kit.run("picture_coarse", picture=picture)
        last, self.last = self.last, now
        if last is None or self.size != picture.shape:
            is_first, self.size = last is None, picture.shape
            self.changes.clear()
            return not is_first
        # Three marks of a cut: the patterns hardly correlate, the brightness differs clearly, and the change stands out
        # against those just before it. They rule out flashes and fades, noise on a flat picture, and pans.
        change = 1 - likeness(last, now)
        usual = float(np.median(self.changes)) if self.changes else 0.0
        cut = (
            not self.cut_before  # two cuts in a row are none: something never stands still
            and change > 1 - self.rules.cuts.most_alike
            and float(np.abs(now - last).mean()) > self.rules.cuts.least_difference
            and change > self.rules.cuts.stands_out * usual
        )
        if cut:
            self.changes.clear()
        else:
            self.changes.append(change)
        self.cut_before = cut
        return cut


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the normalised correlation of two grey pictures in [-1, 1]; 1 if neither shows any pattern."""
    x, y = one - one.mean(), other - other.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    if size < 1e-3:
        return 1.0 if max(float(np.abs(x).max()), float(np.abs(y).max())) < 1e-3 else 0.0
    return float((x * y).sum()) / size


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether two pictures are the same, pixel by pixel."""
    return np.array_equal(one[::32, ::32], other[::32, ::32]) and np.array_equal(one, other)
