# SPDX-License-Identifier: Apache-2.0
"""Ranking and threshold metrics as array operations over many weightings at once.

Every function takes ``Counts`` with ``weightings`` columns and returns one figure a column, NaN where a class is
absent. Larger scores mean fake; fake is the positive class unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cad.evaluation.levels import Counts, Floats

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class Rates:
    """False and true positive rate at each threshold *score >= level*, lowest first, then at infinity.

    Attributes:
        thresholds: (levels + 1,).
        fpr: (levels + 1, weightings), falling.
        tpr: (levels + 1, weightings), falling.
    """

    thresholds: Floats
    fpr: Floats
    tpr: Floats


def rates(counts: Counts) -> Rates:
    """Return the ROC curve of each weighting."""
    return Rates(
        np.append(counts.values, np.inf),
        _share_at_or_above(counts.real),
        _share_at_or_above(counts.fake),
    )


def auc(counts: Counts) -> Floats:
    """Return the area under the ROC curve; ties count one half (Mann and Whitney, 1947).

    Example:
        >>> import numpy as np
        >>> from cad.evaluation.levels import build_levels
        >>> auc(build_levels([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).count_once()).round(3)
        array([0.75])
    """
    real_below = np.cumsum(counts.real, axis=0) - counts.real / 2
    pairs = counts.fake.sum(axis=0) * counts.real.sum(axis=0)
    return _divide((counts.fake * real_below).sum(axis=0), pairs)


def average_precision_fake(counts: Counts) -> Floats:
    """Return the average precision with fake as the positive class (sum of precision over steps of recall)."""
    fake_above = _reverse_cumsum(counts.fake)
    precision = _divide(fake_above, fake_above + _reverse_cumsum(counts.real), otherwise=0.0)
    return _divide((counts.fake * precision).sum(axis=0), counts.fake.sum(axis=0) * _has_both(counts))


def average_precision_real(counts: Counts) -> Floats:
    """Return the average precision with real as the positive class, the ranking being read from below."""
    real_below = np.cumsum(counts.real, axis=0)
    precision = _divide(real_below, real_below + np.cumsum(counts.fake, axis=0), otherwise=0.0)
    return _divide((counts.real * precision).sum(axis=0), counts.real.sum(axis=0) * _has_both(counts))


def equal_error_rate(curve: Rates) -> Floats:
    """Return where false positive and false negative rate meet, on straight lines between the thresholds."""
    gap = curve.fpr - (1 - curve.tpr)
    after = np.argmax(gap <= 0, axis=0)
    before, column = np.maximum(after - 1, 0), np.arange(gap.shape[1])
    high, low = gap[before, column], gap[after, column]
    share = _divide(high, high - low, otherwise=0.0)
    crossing = curve.fpr[before, column] + share * (curve.fpr[after, column] - curve.fpr[before, column])
    return np.where(np.isnan(gap).any(axis=0), np.nan, crossing)


def tpr_at_fpr(curve: Rates, limit: float) -> Floats:
    """Return the largest true positive rate at a threshold whose false positive rate is at most ``limit``."""
    first = np.argmax(curve.fpr <= limit, axis=0)
    found = curve.tpr[first, np.arange(curve.tpr.shape[1])]
    return np.where(np.isnan(curve.fpr).any(axis=0), np.nan, found)


def at_threshold(curve: Rates, threshold: float) -> tuple[Floats, Floats]:
    """Return false and true positive rate when a score at or above ``threshold`` is called fake."""
    row = int(np.searchsorted(curve.thresholds, threshold, side="left"))
    return curve.fpr[row], curve.tpr[row]


def expected_calibration_error(counts: Counts, bins: int = CALIBRATION_BINS) -> Floats:
    """Return the mean gap between stated probability and share of fakes, over ``bins`` equal bins.

    Scores outside [0, 1] (abstentions counted as errors) stand at the nearest end.

    Source: Naeini et al., AAAI 2015.
    """
    probability = np.clip(counts.values, 0.0, 1.0)[:, None]
    starts = np.searchsorted(probability[:, 0], calibration_cuts(bins), side="left")
    edges = np.concatenate([[0], starts, [len(probability)]])
    both = counts.fake + counts.real
    gaps = np.abs(_sums(counts.fake, edges) - _sums(both * probability, edges))
    return _divide(gaps.sum(axis=0), both.sum(axis=0))


def balanced_calibration_error(counts: Counts, bins: int = CALIBRATION_BINS) -> Floats:
    """Return ``expected_calibration_error`` with both classes weighing the same, as calibration assumes.

    A test set of nine fakes in ten would call every honest probability too low, which says nothing of the detector.
    """
    fakes, reals = counts.fake.sum(axis=0), counts.real.sum(axis=0)
    even = replace(counts, fake=_divide(counts.fake, fakes), real=_divide(counts.real, reals))
    return expected_calibration_error(even, bins)


def calibration_cuts(bins: int = CALIBRATION_BINS) -> Floats:
    """Return the inner borders of the calibration bins."""
    cuts: Floats = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return cuts


def _sums(counts: Floats, edges: Floats) -> Floats:
    """Return sums over ``counts[edges[i]:edges[i + 1]]``; bins may be empty."""
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    sums: Floats = np.diff(total[edges], axis=0)
    return sums


def _reverse_cumsum(counts: Floats) -> Floats:
    summed: Floats = np.cumsum(counts[::-1], axis=0)[::-1]
    return summed


def _share_at_or_above(counts: Floats) -> Floats:
    above = _reverse_cumsum(counts)
    padded = np.concatenate([above, np.zeros((1, counts.shape[1]))])
    return _divide(padded, counts.sum(axis=0))


def _has_both(counts: Counts) -> Floats:
    both: Floats = ((counts.fake.sum(axis=0) > 0) & (counts.real.sum(axis=0) > 0)).astype(np.float64)
    return both


def _divide(over: Floats, under: Floats, otherwise: float = np.nan) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = np.where(under > 0, over / under, otherwise)
    return share
