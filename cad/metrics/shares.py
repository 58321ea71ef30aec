# SPDX-License-Identifier: Apache-2.0
"""Shares of rows with their 95 % intervals, by rows and by sources, for rates that no ranking is needed for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.metrics.bootstrap import Estimate, interval, weightings
from cad.metrics.score_counts import Floats, identity_codes


def by_rows(found: NDArray[np.bool_], identities: NDArray[np.object_], resamples: int, seed: int) -> Estimate:
    """Return the share of rows that is found; its interval is drawn over identities.

    Args:
        found: (rows,) which rows count.
        identities: (rows,) who is in each; a row of nobody in particular is its own.
        resamples: How many draws; 0 gives no interval.
        seed: Of the draws.

    Example:
        >>> by_rows(np.array([True, False, False, True]), np.array(["ann", "", "", "ann"], dtype=object), 0, 0).value
        0.5
    """
    if not len(found):
        return Estimate(np.nan)
    codes = np.unique(identity_codes(identities), return_inverse=True)[1]
    return _share(*_counted(found, codes), resamples, seed)


def by_sources(found: NDArray[np.bool_], sources: NDArray[np.object_], resamples: int, seed: int) -> Estimate:
    """Return the mean over sources of the share that is found of each; its interval is drawn over sources.

    Args:
        found: (rows,) which rows count.
        sources: (rows,) where each comes from.
        resamples: How many draws; 0 gives no interval.
        seed: Of the draws.

    Example:
        >>> by_sources(np.array([True, False, False, False]), np.array(["a", "b", "b", "b"], dtype=object), 0, 0).value
        0.5
    """
    if not len(found):
        return Estimate(np.nan)
    codes = np.unique(sources.astype(str), return_inverse=True)[1]
    sums, counts = _counted(found, codes)
    return _share(sums / counts, np.ones(len(sums)), resamples, seed)


def _counted(found: NDArray[np.bool_], codes: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return by cluster how many of its rows are found, and how many it has."""
    counts = np.bincount(codes).astype(np.float64)
    return np.bincount(codes[found], minlength=len(counts)).astype(np.float64), counts


def _share(sums: Floats, counts: Floats, resamples: int, seed: int) -> Estimate:
    """Return the ratio of two sums over clusters, with the interval over draws of clusters."""
    value = float(sums.sum() / counts.sum())
    # One witness drawn again and again says nothing of how far others would lie.
    if len(sums) < 2 or not resamples:
        return Estimate(value)
    draws = weightings(len(sums), resamples, np.random.default_rng(seed))
    drawn = [(sums @ weights) / (counts @ weights) for weights in draws]
    return Estimate(value, *interval(np.concatenate(drawn)))
