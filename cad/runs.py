# SPDX-License-Identifier: Apache-2.0
"""Finds runs for whoever has a mask over slots: unbroken stretches of True."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs_of(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs of True in ``mask``, bool (slots,), as (start, stop) pairs, half open.

    Example:
        >>> runs_of(np.array([False, True, True, False, True]))
        [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def flip_short_runs(mask: NDArray[np.bool_], value: bool, max_slots: int, at_edges: bool) -> NDArray[np.bool_]:
    """Return ``mask`` with runs of ``value`` that are at most ``max_slots`` long flipped.

    Args:
        mask: bool (slots,).
        value: Which runs to look at.
        max_slots: Longest run that is flipped.
        at_edges: Also flip runs that touch the start or the end.

    Example:
        >>> flip_short_runs(np.array([True, False, True, False]), value=False, max_slots=1, at_edges=False).tolist()
        [True, True, True, False]
    """
    flipped = mask.copy()
    for start, stop in runs_of(mask == value):
        inside = start > 0 and stop < len(mask)
        if stop - start <= max_slots and (inside or at_edges):
            flipped[start:stop] = not value
    return flipped
