# SPDX-License-Identifier: Apache-2.0
"""Shares of rows with their 95 % intervals, by rows and by sources, for rates that no ranking is needed for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.metrics.bootstrap import Estimate, estimate_rows
from cad.metrics.score_counts import Floats, identity_codes


def by_rows(found: NDArray[np.bool_], identities: NDArray[np.object_], resamples: int, seed: int) -> Estimate:
    """Return the share of rows that is found; its interval is drawn over identities."""
    if not len(found):
        return Estimate(np.nan)
    return _mean(found.astype(np.float64), identity_codes(identities), resamples, seed)


def by_sources(found: NDArray[np.bool_], sources: NDArray[np.object_], resamples: int, seed: int) -> Estimate:
    """Return the mean over sources of the share that is found of each; its interval is drawn over sources."""
    if not len(found):
        return Estimate(np.nan)
    _, codes = np.unique(sources.astype(str), return_inverse=True)
    shares = np.bincount(codes, found.astype(np.float64)) / np.bincount(codes)
    return _mean(shares, np.arange(len(shares)), resamples, seed)


def _mean(values: Floats, codes: NDArray[np.int64], resamples: int, seed: int) -> Estimate:
    found = estimate_rows(lambda rows: {"mean": float(values[rows].mean())}, codes, resamples, seed)["mean"]
    # One witness drawn again and again says nothing of how far others would lie.
    return found if len(np.unique(codes)) > 1 else Estimate(found.value)
