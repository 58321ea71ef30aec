# SPDX-License-Identifier: Apache-2.0
"""Platt scaling, operating points and frame calibration on logits whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from cad.errors import DataError
from cad.evaluation.calibration.platt import (
    choose_operating_point,
    fit_platt,
    frame_calibration,
    rebased_frames,
    threshold_above,
    weighted_threshold_above,
)
from cad.spec import Calibration
from cad.verdict.calibrate import platt


def test_platt_finds_the_scale_and_bias_that_made_the_labels(rng):
    logits = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(1.7 * logits)))).astype(np.int8)
    found = fit_platt(logits * 10 + 3, labels)
    assert found.scale == pytest.approx(0.17, rel=0.05) and found.bias == pytest.approx(-0.51, abs=0.05)


def test_platt_weighs_the_classes_alike(rng):
    logits = np.concatenate([rng.normal(-1, 1, 5000), rng.normal(1, 1, 500)])
    labels = np.repeat([0, 1], [5000, 500]).astype(np.int8)
    assert fit_platt(logits, labels).bias == pytest.approx(0.0, abs=0.15)


def test_platt_of_separable_inverted_and_one_class():
    logits, labels = np.array([-2.0, -1, 1, 2]), np.array([0, 0, 1, 1], np.int8)
    assert np.isfinite(fit_platt(logits, labels).scale)
    upside_down = fit_platt(-logits, labels)
    assert 0 < upside_down.scale < 0.05  # no evidence, and never turned over
    assert np.all(np.abs(platt(-logits, upside_down) - 0.5) < 0.03)
    with pytest.raises(DataError, match="0 fake and 2 genuine"):
        fit_platt(logits[:2], labels[:2])


def test_operating_point_keeps_its_rate(rng):
    p = rng.random(1000)
    labels = (rng.random(1000) < p).astype(np.int8)
    point, costs = choose_operating_point(p, labels, 0.05, 0.1, "here")
    real, fake = p[labels == 0], p[labels == 1]
    assert (real >= point.fake_threshold).mean() <= 0.05
    assert (real >= point.fake_threshold - 0.01).mean() > 0.05 - 0.02
    assert point.real_threshold < point.fake_threshold
    assert (real < point.real_threshold).mean() >= 0.49
    assert costs["miss_rate"] == pytest.approx((fake < point.real_threshold).mean(), abs=1e-4)


def test_operating_point_of_perfect_scores_has_no_band_to_fall_into():
    p, labels = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], np.int8)
    point, costs = choose_operating_point(p, labels, 0.05, 0.1, "")
    assert costs["false_positive_rate"] == 0 and point.fake_threshold > 0.2


def test_frame_calibration_holds_the_share_of_clips():
    highest = np.linspace(-1, 1, 101)
    found = frame_calibration(Calibration(2.0, 0.3), highest, 0.7, 0.05)
    assert found.scale == 2.0
    assert (platt(highest, found) >= 0.7).mean() == pytest.approx(0.05, abs=0.011)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.05, 0.2, 0.5])
def test_weights_that_are_all_alike_change_nothing(share, rng):
    values = np.sort(np.round(rng.normal(0, 1, 97), 1))  # with ties
    assert weighted_threshold_above(values, np.full(97, 0.3), share) == threshold_above(values, share)
    labels = (rng.random(97) < 0.5).astype(np.int8)
    plain, weighed = fit_platt(values, labels), fit_platt(values, labels, np.full(97, 7.0))
    assert (weighed.scale, weighed.bias) == pytest.approx((plain.scale, plain.bias))


def test_a_weighted_threshold_lets_the_share_of_the_weight_through_and_no_more(rng):
    for _ in range(20):
        values, weights = np.sort(np.round(rng.normal(0, 1, 60), 1)), rng.random(60) + 0.05
        limit = weighted_threshold_above(values, weights, 0.1)
        reached = weights[values >= limit].sum() / weights.sum()
        assert reached <= 0.1 + 1e-9
        below = values[values < limit]
        assert weights[values >= below.max()].sum() / weights.sum() > 0.1


def test_frames_keep_the_raw_logit_from_which_on_a_slot_is_suspicious():
    frames, clip = Calibration(2.0, -3.0), Calibration(0.5, 1.0)
    moved = rebased_frames(frames, 0.8, clip, 0.65)
    limit = (np.log(0.8 / 0.2) + 3.0) / 2.0
    assert platt(np.array([limit]), frames)[0] == pytest.approx(0.8)
    assert platt(np.array([limit]), moved)[0] == pytest.approx(0.65) and moved.scale == 0.5
