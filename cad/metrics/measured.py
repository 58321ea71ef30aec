# SPDX-License-Identifier: Apache-2.0
"""Gives reports the figures of one set of scored rows, each with a 95 % interval over identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from cad.metrics import calibration_error, roc
from cad.metrics.bootstrap import RESAMPLES, Estimate, interval, resample
from cad.metrics.score_counts import Counts, Floats, count_scores

#: Resamples are measured on this many distinct scores at most: merging moves AUC by less than one part in this many, a
#: hundred times less than any interval. The figure itself is always measured on every distinct score.
BOOTSTRAP_SCORES = 8192

#: Order of the columns: false positives first, since a genuine clip called fake does the harm.
NAMES = (
    "fpr", "tpr", "accuracy", "balanced_accuracy", "accuracy_at_half", "accuracy_at_eer", "auc", "ap_fake", "ap_real",
    "eer", "eer_threshold", "min_dcf", "tpr_at_fpr_1", "tpr_at_fpr_5", "ece", "ece_balanced",
)  # fmt: skip
#: Where ``accuracy_at_half`` stands: what papers that state no threshold mean by accuracy.
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one set of rows.

    Attributes:
        estimates: By metric name (``NAMES``).
        fakes: Number of fake rows.
        reals: Number of real rows.
        identities: Number of identities.
        threshold: The operating point at which ``fpr``, ``tpr``, ``accuracy`` and ``balanced_accuracy`` stand.
        drawn: (resamples,) each figure by metric name; the same seed draws the same identities for every detector.
    """

    estimates: Mapping[str, Estimate]
    fakes: int
    reals: int
    identities: int
    threshold: float
    drawn: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)


def summarise(counts: Counts, threshold: float, are_probabilities: bool = True) -> dict[str, Floats]:
    """Return every metric of ``NAMES`` for each weighting of ``counts``."""
    curve = roc.rates(counts)
    fpr, tpr = roc.at_threshold(curve, threshold)
    nothing = np.full(counts.fake.shape[1], np.nan)
    at_eer = roc.eer_rows(curve)
    eer = roc.equal_error_rate(curve)
    return {
        "fpr": fpr,
        "tpr": tpr,
        "accuracy": roc.accuracy_at_row(counts, roc.row_at(curve, threshold)),
        "balanced_accuracy": (tpr + 1 - fpr) / 2,
        "accuracy_at_half": roc.accuracy_at_row(counts, roc.row_at(curve, HALF)) if are_probabilities else nothing,
        "accuracy_at_eer": np.where(np.isnan(eer), np.nan, roc.accuracy_at_row(counts, at_eer)),
        "auc": roc.auc(counts),
        "ap_fake": roc.average_precision_fake(counts),
        "ap_real": roc.average_precision_real(counts),
        "eer": eer,
        "eer_threshold": np.where(np.isnan(eer), np.nan, curve.thresholds[at_eer]),
        "min_dcf": roc.minimum_detection_cost(curve),
        "tpr_at_fpr_1": roc.tpr_at_fpr(curve, 0.01),
        "tpr_at_fpr_5": roc.tpr_at_fpr(curve, 0.05),
        "ece": calibration_error.expected_calibration_error(counts) if are_probabilities else nothing,
        "ece_balanced": calibration_error.balanced_calibration_error(counts) if are_probabilities else nothing,
    }


def measure(
    scores: ArrayLike,
    labels: ArrayLike,
    identities: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Measured:
    """Return the figures of some scored rows with their intervals.

    Args:
        scores: (rows,) larger means fake; no NaN. The calibration error is given when they lie in [0, 1]
            (infinities, that is abstentions counted as errors, stand at the ends).
        labels: (rows,) 1 fake, 0 real.
        identities: (rows,) code of each row's identity; by default every row is its own.
        threshold: Shipped operating point: fake at or above it.
        resamples: How many bootstrap resamples; 0 gives no intervals.
        seed: Of the resampling.

    Raises:
        DataError: Lengths differ, a score is NaN, or a label is neither 0 nor 1.

    Example:
        >>> measure([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], resamples=0).estimates["auc"].value
        0.75
    """
    finite = np.asarray(scores, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    probabilities = bool(len(finite)) and bool(finite.min() >= 0 and finite.max() <= 1)
    summary = partial(summarise, threshold=threshold, are_probabilities=probabilities)
    exact = count_scores(scores, labels, identities)
    values = summary(exact.count_once())
    cuts = [threshold, HALF, *calibration_error.CUTS]
    merged = count_scores(scores, labels, identities, max_distinct=BOOTSTRAP_SCORES, cuts=cuts)
    spread = resample(merged, summary, resamples, seed) if resamples and merged.identities > 1 else {}
    estimates = {name: Estimate(float(values[name][0]), *interval(spread.get(name, np.empty(0)))) for name in NAMES}
    fakes, reals = int(exact.fake.sum()), int(exact.real.sum())
    return Measured(estimates, fakes, reals, exact.identities, threshold, spread)
