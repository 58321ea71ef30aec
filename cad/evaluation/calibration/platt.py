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
#: No probability under one half is called fake, however few genuine rows reach it.
LEAST_FAKE_THRESHOLD = 0.5


def fit_platt(logits: Floats, labels: NDArray[np.int8], weights: Floats | None = None) -> Calibration:
    """Return the scaling under which the logits' probabilities fit best, both classes weighing the same.

    Weighing the classes alike states the prior: one half. How many fakes a validation set holds says nothing about the
    files that a user has. Targets are softened as Platt did, so that separable data does not run to infinity; a head
    whose best slope is not positive gets LEAST_SCALE, that is a probability near one half.

    Args:
        logits: (rows,) raw clip logits, positive for fake.
        labels: (rows,) 1 fake, 0 real.
        weights: (rows,) how much each row counts within its class, above 0; None weighs all rows alike.

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
    if weights is not None:
        sums = {label: float(weights[labels == label].sum()) for label in (0, 1)}
        weight = 0.5 * weights / np.where(labels == 1, sums[1], sums[0])
    scale, bias = _newton(scaled, target, weight)
    if scale / spread < LEAST_SCALE:
        scale = LEAST_SCALE * spread
        bias = -scale * float((weight * scaled).sum())
    return Calibration(scale=scale / spread, bias=bias)


def choose_operating_point(
    probabilities: Floats,
    labels: NDArray[np.int8],
    max_fpr: float,
    max_miss: float,
    chosen_on: str,
    weights: Floats | None = None,
) -> tuple[OperatingPoint, dict[str, float]]:
    """Return thresholds for a false-positive rate, with a band below in which nothing is said, and what they cost.

    ``fake_threshold`` is the lowest at which at most ``max_fpr`` of the genuine rows are called fake, and never under
    LEAST_FAKE_THRESHOLD.
    ``real_threshold`` is the highest at which at most ``max_miss`` of the fakes are called real, but not so low that
    fewer than half of the genuine rows are called real, and never above ``fake_threshold``.

    Args:
        probabilities: (rows,) calibrated.
        labels: (rows,) 1 fake, 0 real.
        max_fpr: Highest share of genuine rows at or above ``fake_threshold``.
        max_miss: Share of fakes that may lie below ``real_threshold``.
        chosen_on: One line on the data, kept in the spec.
        weights: (rows,) how much each row counts within its class; None weighs all rows alike.

    Returns:
        The thresholds, and figures on the same rows: how many are ``real`` and ``fake``, the share of genuine rows and
        of fakes at or above ``fake_threshold`` (``false_positive_rate``, ``true_positive_rate``), of genuine rows
        between the thresholds (``inconclusive_real``) and of fakes below ``real_threshold`` (``miss_rate``).
    """
    real, fake = np.sort(probabilities[labels == 0]), np.sort(probabilities[labels == 1])
    if weights is None:
        fake_threshold = threshold_above(real, max_fpr)
        missed, middle = fake[min(int(max_miss * len(fake)), len(fake) - 1)], np.median(real)
    else:
        of_real, of_fake = (_ordered(probabilities, weights, labels == label) for label in (0, 1))
        fake_threshold = weighted_threshold_above(*of_real, max_fpr)
        missed, middle = _value_at(*of_fake, max_miss), _value_at(*of_real, 0.5)
    fake_threshold = max(fake_threshold, LEAST_FAKE_THRESHOLD)
    real_threshold = float(min(max(missed, middle), fake_threshold))
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
    return Calibration(clip.scale, _log_odds(fake_threshold) - clip.scale * allowed)


def rebased_frames(frames: Calibration, old_threshold: float, clip: Calibration, new_threshold: float) -> Calibration:
    """Return a calibration of frame logits under which a slot is suspicious from the same raw logit on as before.

    For a head that got other numbers from scores alone: what the slots of clips do is not in those.

    Args:
        frames: Calibration of the frame logits until now.
        old_threshold: Fake threshold of the head until now.
        clip: The head's new calibration.
        new_threshold: The head's new fake threshold.
    """
    allowed = (_log_odds(old_threshold) - frames.bias) / frames.scale
    return Calibration(clip.scale, _log_odds(new_threshold) - clip.scale * allowed)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def weighted_threshold_above(ordered: Floats, weights: Floats, share: float) -> float:
    """Return ``threshold_above`` for values that do not count alike: at most ``share`` of the weight reaches it.

    Args:
        ordered: (values,) ascending.
        weights: (values,) of each, above 0.
        share: In [0, 1].
    """
    allowed = share * float(weights.sum()) * (1 + 1e-9)
    # What a threshold at each value would let through: the value's own weight and that of all above it.
    reach = np.cumsum(weights[::-1])[::-1]
    first_equal = np.searchsorted(ordered, ordered, side="left")
    fits = np.flatnonzero(reach[first_equal] <= allowed)
    if not len(fits):
        return float(np.nextafter(ordered[-1], np.inf))
    lowest = int(fits[0])
    return float((ordered[lowest - 1] + ordered[lowest]) / 2) if lowest else float(ordered[0])


def _ordered(values: Floats, weights: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    order = np.argsort(values[mask], kind="stable")
    return values[mask][order], weights[mask][order]


def _value_at(ordered: Floats, weights: Floats, share: float) -> float:
    """Return the lowest value up to which more than ``share`` of the weight lies."""
    reached = np.cumsum(weights)
    return float(ordered[min(int(np.searchsorted(reached, share * reached[-1], side="right")), len(ordered) - 1)])


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
