# SPDX-License-Identifier: Apache-2.0
"""The ROC curve, what is read from it, and average precision, for many weightings of the rows at once.

Every function takes ``Counts`` with ``weightings`` columns and returns one figure a column, NaN where a class is
absent. Larger scores mean fake; fake is the positive class unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad.metrics.score_counts import Counts, Floats, count_scores, divide

#: Parameters of the detection cost, see ``minimum_detection_cost``. A *miss* is a genuine clip that is turned away.
PRIOR_SPOOF, COST_MISS, COST_FALSE_ALARM = 0.05, 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Rates:
    """False and true positive rate at each threshold *score at or above*, lowest first, then at infinity.

    Attributes:
        thresholds: (distinct scores + 1,).
        fpr: (distinct scores + 1, weightings), falling.
        tpr: (distinct scores + 1, weightings), falling.
    """

    thresholds: Floats
    fpr: Floats
    tpr: Floats


def rates(counts: Counts) -> Rates:
    """Return the ROC curve of each weighting."""
    fpr, tpr = (
        divide(np.pad(_reverse_cumsum(each), ((0, 1), (0, 0))), each.sum(axis=0)) for each in (counts.real, counts.fake)
    )
    return Rates(np.append(counts.values, np.inf), fpr, tpr)


def auc_of(fake: ArrayLike, real: ArrayLike) -> float:
    """Return the area under the ROC curve of some scores, in [0, 1]; NaN where a class has none.

    Example:
        >>> auc_of([2.0, 3.0], [1.0, 2.0])
        0.875
    """
    labels = np.repeat([1, 0], [np.size(fake), np.size(real)])
    return float(auc(count_scores(np.append(fake, real), labels).count_once())[0])


def auc(counts: Counts) -> Floats:
    """Return the area under the ROC curve; ties count one half (Mann and Whitney, 1947)."""
    real_below = np.cumsum(counts.real, axis=0) - counts.real / 2
    pairs = counts.fake.sum(axis=0) * counts.real.sum(axis=0)
    return divide((counts.fake * real_below).sum(axis=0), pairs)


def average_precision_fake(counts: Counts) -> Floats:
    """Return the average precision with fake as the positive class (sum of precision over steps of recall)."""
    fake_above = _reverse_cumsum(counts.fake)
    precision = divide(fake_above, fake_above + _reverse_cumsum(counts.real), otherwise=0.0)
    has_real = counts.real.sum(axis=0) > 0
    return divide((counts.fake * precision).sum(axis=0), counts.fake.sum(axis=0) * has_real)


def average_precision_real(counts: Counts) -> Floats:
    """Return the average precision with real as the positive class, the ranking being read from below."""
    return average_precision_fake(Counts(-counts.values[::-1], counts.real[::-1], counts.fake[::-1]))


def equal_error_rate(curve: Rates) -> Floats:
    """Return where false positive and false negative rate meet, on straight lines between the thresholds."""
    gap = curve.fpr - (1 - curve.tpr)
    after = np.argmax(gap <= 0, axis=0)
    before, column = np.maximum(after - 1, 0), np.arange(gap.shape[1])
    high, low = gap[before, column], gap[after, column]
    share = divide(high, high - low, otherwise=0.0)
    crossing = curve.fpr[before, column] + share * (curve.fpr[after, column] - curve.fpr[before, column])
    return np.where(np.isnan(gap).any(axis=0), np.nan, crossing)


def eer_rows(curve: Rates) -> NDArray[np.intp]:
    """Return the row of the curve where the two error rates are nearest to each other, the lowest if several are.

    A threshold stands on a score, so that accuracy at the EER is measured there and not on a line between two.
    """
    gap = np.abs(curve.fpr - (1 - curve.tpr))
    rows: NDArray[np.intp] = np.argmin(np.where(np.isnan(gap), np.inf, gap), axis=0)
    return rows


def minimum_detection_cost(curve: Rates) -> Floats:
    """Return the lowest cost that a threshold reaches, over that of the better of calling all or none fake.

    Source: ASVspoof 5 (arXiv 2408.08739, section on track 1) and its evaluation package: a prior of spoofed speech of
    0.05, a cost of 1 for a genuine clip that is called fake and of 10 for a fake that is let through.
    """
    misses, false_alarms = COST_MISS * (1 - PRIOR_SPOOF), COST_FALSE_ALARM * PRIOR_SPOOF
    cost = misses * curve.fpr + false_alarms * (1 - curve.tpr)
    lowest: Floats = cost.min(axis=0) / min(misses, false_alarms)
    return lowest


def accuracy_at_row(counts: Counts, rows: NDArray[np.intp]) -> Floats:
    """Return the share of clips that are called what they are, at a row of the curve for each weighting.

    Args:
        counts: Of which the curve is.
        rows: (weightings,) of the curve: called fake from this distinct score on.
    """
    fakes, reals, column = counts.fake.sum(axis=0), counts.real.sum(axis=0), np.arange(len(rows))
    found, accused = (
        np.pad(_reverse_cumsum(each), ((0, 1), (0, 0)))[rows, column] for each in (counts.fake, counts.real)
    )
    return divide(found + reals - accused, fakes + reals)


def row_at(curve: Rates, threshold: float) -> NDArray[np.intp]:
    """Return the row of the curve at which a score at or above ``threshold`` is called fake, for each weighting."""
    return np.full(curve.fpr.shape[1], np.searchsorted(curve.thresholds, threshold, side="left"))


def tpr_at_fpr(curve: Rates, limit: float) -> Floats:
    """Return the largest true positive rate at a threshold whose false positive rate is at most ``limit``."""
    first = np.argmax(curve.fpr <= limit, axis=0)
    found = curve.tpr[first, np.arange(curve.tpr.shape[1])]
    return np.where(np.isnan(curve.fpr).any(axis=0), np.nan, found)


def at_threshold(curve: Rates, threshold: float) -> tuple[Floats, Floats]:
    """Return false and true positive rate when a score at or above ``threshold`` is called fake."""
    row = int(np.searchsorted(curve.thresholds, threshold, side="left"))
    return curve.fpr[row], curve.tpr[row]


def _reverse_cumsum(counts: Floats) -> Floats:
    summed: Floats = np.cumsum(counts[::-1], axis=0)[::-1]
    return summed
