# SPDX-License-Identifier: Apache-2.0
"""Fits Platt scaling and operating points of a head to raw logits of validation clips."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cad.errors import DataError
from cad.metrics.score_counts import Floats
from cad.spec import Calibration, OperatingPoint

#: Smallest slope of a head that tells nothing: a slope of zero or less would reverse its evidence.
LEAST_SCALE = 0.02
ITERATIONS = 100


def fit_platt(logits: Floats, labels: NDArray[np.int8]) -> Calibration:
    """Return the scaling under which the logits' probabilities fit best, both classes weighing the same.

    Weighing the classes alike states the prior: one half. How many fakes a validation set holds says nothing about the
    files that a user has. Targets are softened as Platt did, so that separable data does not run to infinity; a head
    whose best slope is not positive gets LEAST_SCALE, that is a probability near one half.

    Args:
        logits: (rows,) raw clip logits, positive for fake.
        labels: (rows,) 1 fake, 0 real.

    Raises:
        DataError: A class is absent.

    Source: Platt, *Probabilistic outputs for support vector machines*, 1999; Newton's method as in Lin, Lin and Weng,
        Machine Learning 68, 2007.
    """
    fakes, reals = int((labels == 1).sum()), int((labels == 0).sum())
    if not fakes or not reals:
        raise DataError(f"calibration needs both classes; there are {fakes} fake and {reals} genuine rows")
    # The logits' own spread is taken out, so that Newton's steps do not depend on the head's units.
    spread = float(np.std(logits)) or 1.0
    scaled = logits / spread
    target = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(labels == 1, 0.5 / fakes, 0.5 / reals)
    scale, bias = _newton(scaled, target, weight)
    if scale / spread < LEAST_SCALE:
        scale = LEAST_SCALE * spread
        bias = -scale * float((weight * scaled).sum())
    return Calibration(scale=scale / spread, bias=bias)


def choose_operating_point(
    probabilities: Floats, labels: NDArray[np.int8], max_fpr: float, max_miss: float, chosen_on: str
) -> tuple[OperatingPoint, dict[str, float]]:
    """Return thresholds for a false-positive rate, with a band below in which nothing is said, and what they cost.

    ``fake_threshold`` is the lowest at which at most ``max_fpr`` of the genuine rows are called fake.
    ``real_threshold`` is the highest at which at most ``max_miss`` of the fakes are called real, but not so low that
    fewer than half of the genuine rows are called real, and never above ``fake_threshold``.

    Args:
        probabilities: (rows,) calibrated.
        labels: (rows,) 1 fake, 0 real.
        max_fpr: Highest share of genuine rows at or above ``fake_threshold``.
        max_miss: Share of fakes that may lie below ``real_threshold``.
        chosen_on: One line on the data, kept in the spec.

    Returns:
        The thresholds, and figures on the same rows: how many are ``real`` and ``fake``, the share of genuine rows and
        of fakes at or above ``fake_threshold`` (``false_positive_rate``, ``true_positive_rate``), of genuine rows
        between the thresholds (``inconclusive_real``) and of fakes below ``real_threshold`` (``miss_rate``).
    """
    real, fake = np.sort(probabilities[labels == 0]), np.sort(probabilities[labels == 1])
    fake_threshold = threshold_above(real, max_fpr)
    missed = fake[min(int(max_miss * len(fake)), len(fake) - 1)]
    real_threshold = float(min(max(missed, np.median(real)), fake_threshold))
    rates = {
        "false_positive_rate": real >= fake_threshold,
        "true_positive_rate": fake >= fake_threshold,
        "inconclusive_real": (real >= real_threshold) & (real < fake_threshold),
        "miss_rate": fake < real_threshold,
    }
    figures = {name: round(float(rows.mean()), 4) for name, rows in rates.items()}
    point = OperatingPoint(fake_threshold, real_threshold, figures["false_positive_rate"], chosen_on)
    return point, {"real": len(real), "fake": len(fake), **figures}


def frame_calibration(clip: Calibration, highest_real: Floats, fake_threshold: float, max_fpr: float) -> Calibration:
    """Return a calibration of frame logits under which at most ``max_fpr`` of genuine clips have a suspicious slot.

    A clip has many slots and so many chances: with the clip's own calibration nearly every one would reach the
    threshold somewhere. The slope stays, the offset moves.

    Args:
        clip: Calibration of the stream's clip logit.
        highest_real: (clips,) highest smoothed frame logit of each genuine clip.
        fake_threshold: Of the stream.
        max_fpr: Share of genuine clips that may have a suspicious slot.
    """
    allowed = threshold_above(np.sort(highest_real), max_fpr)
    bounded = min(max(fake_threshold, 1e-6), 1 - 1e-6)
    return Calibration(clip.scale, math.log(bounded / (1 - bounded)) - clip.scale * allowed)


def threshold_above(ordered: Floats, share: float) -> float:
    """Return a threshold that at most ``share`` of the ``ordered`` values reach, just above the value below it."""
    allowed = math.floor(share * len(ordered) + 1e-9)
    highest_below = float(ordered[len(ordered) - allowed - 1])
    above = ordered[ordered > highest_below]
    # Half way to the next value: a threshold that sits on a value would depend on the last bit of a float.
    return (highest_below + float(above[0])) / 2 if len(above) else float(np.nextafter(highest_below, np.inf))


def _newton(logits: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Return scale and bias of the weighted logistic regression of ``target`` on ``logits``."""
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    found = np.array([1.0, 0.0])

    def loss(at: Floats) -> float:
        z = design @ at
        return float((weight * (np.logaddexp(0, z) - target * z)).sum())

    for _ in range(ITERATIONS):
        probability = 0.5 * (1 + np.tanh(0.5 * (design @ found)))
        gradient = design.T @ (weight * (probability - target))
        curvature = (design * (weight * probability * (1 - probability))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and loss(found - size * step) > loss(found):
            size /= 2
        found = found - size * step
        if np.abs(gradient).max() < 1e-9:
            break
    return float(found[0]), float(found[1])
