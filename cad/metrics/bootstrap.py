# SPDX-License-Identifier: Apache-2.0
"""Gives figures their intervals: a bootstrap over identities, since clips of one person are no independent witnesses.

Source: Field and Welsh, *Bootstrapping clustered data*, JRSS B, 2007 (the cluster bootstrap); percentile intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.metrics.score_counts import Counts, Floats, ScoreCounts

RESAMPLES = 1000
#: Ends of the interval: 95 % lie between them.
INTERVAL = ((1 - 0.95) / 2, (1 + 0.95) / 2)
#: Bounds the arrays of one batch of draws.
_CELLS_IN_MEMORY = 2_000_000

#: A summary takes counts with some weightings and returns one figure a weighting under each name.
Summary = Callable[[Counts], Mapping[str, Floats]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its 95 % interval; NaN where it is not defined."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def text(self, digits: int = 3) -> str:
        """Return the figure as it stands in a table.

        Example:
            >>> Estimate(0.9123, 0.88, 0.94).text()
            '0.912 [0.880, 0.940]'
        """
        if np.isnan(self.value):
            return "-"
        interval = "" if np.isnan(self.low) else f" [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.value:.{digits}f}{interval}"


def weightings(identities: int, resamples: int, rng: np.random.Generator, rows: int = 1) -> Iterator[Floats]:
    """Yield ``resamples`` draws of the identities with replacement, in batches that fit in memory.

    Args:
        identities: How many there are.
        resamples: How many draws in all.
        rng: Where chance comes from.
        rows: Of the arrays that will be made from a batch, which bound its width.

    Yields:
        (identities, batch) how often each identity was drawn.
    """
    batch = max(1, min(resamples, _CELLS_IN_MEMORY // max(identities, rows, 1)))
    for start in range(0, resamples, batch):
        width = min(batch, resamples - start)
        drawn = np.empty((identities, width))
        for column in range(width):
            drawn[:, column] = np.bincount(rng.integers(identities, size=identities), minlength=identities)
        yield drawn


def resample(scored: ScoreCounts, summary: Summary, resamples: int, seed: int) -> dict[str, Floats]:
    """Return each figure of ``summary`` for each resample."""
    rng = np.random.default_rng(seed)
    batches = [
        summary(scored.count(weights)) for weights in weightings(scored.identities, resamples, rng, len(scored.values))
    ]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in (batches[0] if batches else ())}


def estimate_rows(
    figures: Callable[[NDArray[np.intp]], Mapping[str, float]], identities: NDArray[np.int64], resamples: int, seed: int
) -> dict[str, Estimate]:
    """Return figures of some rows with their intervals, for figures that no ``Summary`` gives.

    Args:
        figures: Takes the numbers of rows, some of them repeated, and returns their figures by name.
        identities: (rows,) code of each row's identity.
        resamples: How many draws.
        seed: Of the draws.
    """
    members = [np.flatnonzero(identities == code) for code in np.unique(identities)]
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(members), size=len(members)) for _ in range(resamples))
    drawn = [figures(np.concatenate([members[i] for i in draw])) for draw in draws]
    return {
        name: Estimate(value, *interval(np.array([one[name] for one in drawn])))
        for name, value in figures(np.arange(len(identities))).items()
    }


def interval(figures: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled figures; resamples without a class (NaN) are left out."""
    usable = figures[np.isfinite(figures)]
    if len(usable) < 2:
        return math.nan, math.nan
    low, high = np.quantile(usable, INTERVAL)
    return float(low), float(high)


def paired_p_value(differences: Floats) -> float:
    """Return the two-sided bootstrap p-value of *no difference* from resampled paired differences.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 15.
    """
    usable = differences[np.isfinite(differences)]
    if not len(usable):
        return math.nan
    # One is added so that a finite number of resamples never claims certainty.
    below, above = (np.sum(usable <= 0) + 1) / (len(usable) + 1), (np.sum(usable >= 0) + 1) / (len(usable) + 1)
    return float(min(1.0, 2 * min(below, above)))
