# SPDX-License-Identifier: Apache-2.0
"""smooth_at gives a track its points without jitter: straight lines between sightings, then a weighted local line.

The filter fits a line to the points of the slots around each slot, with Gaussian weights of SIGMA_SLOTS over
REACH_SLOTS to either side, and takes its value there. Inside a track the filter is symmetric and delays nothing. At the
ends of a track the line keeps up with a moving face, where a plain mean would lag behind.

The similarity from the canonical points to the frame is linear in the frame's points, so to smooth the points is to
smooth its turn, scale and shift.

Source: Cleveland, JASA 74(368), 1979 (local linear regression), with Gaussian weights.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIGMA_SLOTS = 1.5
REACH_SLOTS = 4


def between(slots: NDArray[np.intp], values: NDArray[np.float32], wanted: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return ``values`` on straight lines between the sightings at ``slots``.

    Args:
        slots: (n,) rising.
        values: (n, ...) what was seen there.
        wanted: (m,) slots from slots[0] to slots[-1].

    Returns:
        float32 (m, ...).

    Example:
        >>> between(np.array([0, 4]), np.float32([[0, 8], [4, 0]]), np.array([1, 4])).tolist()
        [[1.0, 6.0], [4.0, 0.0]]
    """
    before, after, share = _neighbours(tuple(slots.tolist()), tuple(wanted.tolist()))
    share = share.reshape(-1, *([1] * (values.ndim - 1)))
    return np.asarray(values[before] * (1 - share) + values[after] * share, dtype=np.float32)


@lru_cache(maxsize=1024)
def _neighbours(
    known: tuple[int, ...], asked: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return for each slot asked for the indices of the known ones before and after it, and how far it is to the later.

    Looks come in a rhythm, so that the same distances come again and again.
    """
    slots, wanted = np.array(known, dtype=np.intp), np.array(asked, dtype=np.intp)
    after = np.clip(np.searchsorted(slots, wanted), 1, max(1, len(slots) - 1))
    before = after - 1
    after = np.minimum(after, len(slots) - 1)
    span = np.maximum(slots[after] - slots[before], 1)
    return before, after, ((wanted - slots[before]) / span).astype(np.float32)


def smooth_at(slots: NDArray[np.intp], values: NDArray[np.float32], slot: int) -> NDArray[np.float32]:
    """Return the value at ``slot`` of the weighted line through what is known around it.

    Args:
        slots: (n,) where values are known.
        values: (n, ...).
        slot: Where to take the line.

    Returns:
        float32, shaped as one value.

    Example:
        >>> slots = np.arange(9)
        >>> smooth_at(slots, np.float32(3.0) * slots.astype(np.float32), 0).round(4).item()
        0.0
    """
    near = np.abs(slots - slot) <= REACH_SLOTS
    share = _shares(tuple((slots[near] - slot).tolist()))
    return np.asarray(np.tensordot(share, values[near], axes=1), dtype=np.float32)


@lru_cache(maxsize=256)
def _shares(offsets: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how much each known slot, by its distance, counts in the value of the line at distance 0."""
    away = np.array(offsets, dtype=np.float64)
    weight = np.exp(-0.5 * (away / SIGMA_SLOTS) ** 2)
    s0, s1, s2 = weight.sum(), (weight * away).sum(), (weight * away * away).sum()
    spread = s0 * s2 - s1 * s1
    return np.asarray(weight / s0 if spread < 1e-9 else weight * (s2 - s1 * away) / spread, dtype=np.float64)
