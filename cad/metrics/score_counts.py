# SPDX-License-Identifier: Apache-2.0
"""Counts distinct scores by class and identity for the metrics, so that a resample is one sparse product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad.data.manifest import is_unnamed
from cad.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of each class have each score, for one or many weightings of the identities.

    Attributes:
        values: (distinct scores,) ascending.
        fake: (distinct scores, weightings).
        real: (distinct scores, weightings).
    """

    values: Floats
    fake: Floats
    real: Floats


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Rows in the order of their scores, ready to be counted under any weighting of the identities.

    Attributes:
        values: (distinct scores,) ascending; the mean where neighbours were merged.
        fake: Sparse (distinct scores, identities), number of fake rows.
        real: Sparse (distinct scores, identities), number of real rows.
        identities: How many identities there are.
    """

    values: Floats
    fake: Any
    real: Any
    identities: int

    def count(self, weights: Floats) -> Counts:
        """Return the counts when identity ``i`` is taken ``weights[i, b]`` times.

        Args:
            weights: (identities, weightings).
        """
        return Counts(self.values, self.fake @ weights, self.real @ weights)

    def count_once(self) -> Counts:
        """Return the counts with every row taken once."""
        return self.count(np.ones((self.identities, 1)))


def identity_codes(identities: Sequence[str] | NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each row, the same for rows of one identity; an unknown identity is its own.

    Example:
        >>> identity_codes(["ann", "", "ann", "unknown", "-"]).tolist()
        [2, 4, 2, 5, 6]
    """
    import pandas

    found, names = pandas.factorize(np.asarray(identities, dtype=object), sort=True)
    codes: NDArray[np.int64] = found.astype(np.int64)
    alone = np.isin(codes, [i for i, name in enumerate(names) if is_unnamed(name)]) | (codes < 0)
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def count_scores(
    scores: ArrayLike,
    labels: ArrayLike,
    identities: ArrayLike | None = None,
    *,
    max_distinct: int | None = None,
    cuts: Sequence[float] = (),
) -> ScoreCounts:
    """Return some scored rows as counts.

    Args:
        scores: (rows,) larger means fake; infinities are allowed, NaN is not.
        labels: (rows,) 1 fake, 0 real.
        identities: (rows,) integer code of each row's identity; by default every row is its own.
        max_distinct: Merge neighbouring scores so that about this many remain; None keeps every distinct score.
        cuts: Scores across which no neighbours are merged (thresholds, borders of calibration bins).

    Raises:
        DataError: Lengths differ, a score is NaN, or a label is neither 0 nor 1.
    """
    from scipy.sparse import csr_array

    score, label = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    _check(score, label)
    code = np.arange(len(score)) if identities is None else np.unique(np.asarray(identities), return_inverse=True)[1]
    place, values = _distinct(score, max_distinct, cuts)
    number = int(code.max()) + 1 if len(code) else 0
    fake, real = (
        csr_array((np.ones(int(chosen.sum())), (place[chosen], code[chosen])), shape=(len(values), number))
        for chosen in (label == 1, label == 0)
    )
    return ScoreCounts(values, fake, real, number)


def _check(score: Floats, label: NDArray[Any]) -> None:
    if score.shape != label.shape or score.ndim != 1:
        raise DataError(f"scores {score.shape} and labels {label.shape} must be flat and of one length")
    if np.isnan(score).any():
        raise DataError(f"{int(np.isnan(score).sum())} scores are NaN; decide first how abstentions count")
    if not np.isin(label, (0, 1)).all():
        raise DataError("labels must be 1 (fake) or 0 (real)")


def _distinct(score: Floats, max_distinct: int | None, cuts: Sequence[float]) -> tuple[NDArray[np.intp], Floats]:
    """Return each row's place among the distinct scores, and these."""
    values, place, number = np.unique(score, return_inverse=True, return_counts=True)
    if max_distinct is None or len(values) <= max_distinct:
        return place, values
    rank = np.cumsum(number) - number
    merged = rank * max_distinct // len(score) + np.searchsorted(np.sort(np.asarray(cuts)), values, side="right")
    group = np.unique(merged, return_inverse=True)[1]
    with np.errstate(invalid="ignore"):
        means = np.bincount(group, values * number) / np.bincount(group, number)
    infinite = ~np.isfinite(values)
    means[group[infinite]] = values[infinite]
    return group[place], means


def divide(over: Floats, under: Floats, otherwise: float = np.nan) -> Floats:
    """Return ``over / under``, and ``otherwise`` where nothing is counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = np.where(under > 0, over / under, otherwise)
    return share
