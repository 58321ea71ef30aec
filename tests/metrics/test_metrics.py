# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from requirements import require

from cad.errors import DataError
from cad.metrics import calibration_error, roc
from cad.metrics.bootstrap import interval, paired_p_value, weightings
from cad.metrics.measured import measure, summarise
from cad.metrics.score_counts import count_scores, identity_codes


@pytest.fixture
def scored(rng):
    labels = rng.integers(0, 2, 400)
    scores = np.round(1 / (1 + np.exp(-(rng.normal(size=400) + labels))), 2)  # rounded: many ties
    return scores, labels


def once(scores, labels):
    return count_scores(scores, labels).count_once()


def test_ranking_metrics_are_those_of_torchmetrics(scored):
    require("train")
    import torch
    from torchmetrics.functional import classification as functional

    scores, labels = scored
    preds, target = torch.tensor(scores), torch.tensor(labels)
    counts = once(scores, labels)
    assert roc.auc(counts)[0] == pytest.approx(float(functional.binary_auroc(preds, target)), abs=1e-6)
    assert roc.average_precision_fake(counts)[0] == pytest.approx(
        float(functional.binary_average_precision(preds, target)), abs=1e-6
    )
    assert roc.average_precision_real(counts)[0] == pytest.approx(
        float(functional.binary_average_precision(1 - preds, 1 - target)), abs=1e-6
    )
    assert calibration_error.expected_calibration_error(counts)[0] == pytest.approx(
        float(functional.binary_calibration_error(preds, target, n_bins=calibration_error.BINS)), abs=1e-6
    )
    # torchmetrics takes the nearest threshold, we the crossing itself: they differ by at most one step of the curve.
    curve = roc.rates(counts)
    step = max(np.abs(np.diff(curve.fpr[:, 0])).max(), np.abs(np.diff(curve.tpr[:, 0])).max())
    eer = getattr(functional, "binary_eer", None)
    if eer is not None:
        assert roc.equal_error_rate(curve)[0] == pytest.approx(float(eer(preds, target)), abs=step)


def test_threshold_metrics_by_hand():
    counts = once([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], [0, 0, 1, 0, 0, 1, 1, 1])
    values = {name: float(value[0]) for name, value in summarise(counts, threshold=0.5).items()}
    assert values["fpr"] == 0.25 and values["tpr"] == 0.75 and values["balanced_accuracy"] == 0.75
    assert values["auc"] == 14 / 16
    assert values["tpr_at_fpr_1"] == 0.75  # the three highest are fake, the fourth is real
    assert values["eer"] == 0.25


def test_accuracies_and_detection_cost_by_hand():
    scores, labels = [0.1, 0.2, 0.4, 0.6, 0.3, 0.7, 0.8, 0.9], [0, 0, 0, 0, 1, 1, 1, 1]
    values = {name: float(value[0]) for name, value in summarise(once(scores, labels), threshold=0.7).items()}
    assert values["accuracy"] == 7 / 8 and values["accuracy_at_half"] == 6 / 8
    # At .6 one genuine of four is called fake and one fake of four is not: the EER, six of eight right.
    assert values["eer"] == 0.25 and values["eer_threshold"] == 0.6 and values["accuracy_at_eer"] == 6 / 8
    # Costs over .5: 1.9 FPR + FNR. At .7: 0 + 1/4; at .3: 1.9 / 2; at infinity: 1.
    assert values["min_dcf"] == pytest.approx(0.25)
    # Turned round nothing helps: calling all clips genuine costs 1.
    turned = summarise(once(scores, [1 - label for label in labels]), threshold=0.7)
    assert turned["min_dcf"][0] == pytest.approx(1.0)
    # A genuine clip above every fake: 1.9 / 4 to let no fake through, or the whole of the fakes.
    high = summarise(once([0.1, 0.2, 0.3, 0.95, 0.7, 0.8, 0.9], [0, 0, 0, 0, 1, 1, 1]), threshold=0.5)
    assert high["min_dcf"][0] == pytest.approx(1.9 / 4)


def test_curves_and_costs_are_those_of_scikit_learn(scored):
    from sklearn import metrics

    scores, labels = scored
    values = {name: float(value[0]) for name, value in summarise(once(scores, labels), threshold=0.37).items()}
    fpr, tpr, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert values["min_dcf"] == pytest.approx((0.95 * fpr + 0.5 * (1 - tpr)).min() / 0.5)
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(labels, scores >= 0.37))
    assert values["accuracy_at_half"] == pytest.approx(metrics.accuracy_score(labels, scores >= 0.5))
    nearest = np.abs(fpr - (1 - tpr))
    assert values["eer_threshold"] == thresholds[np.flatnonzero(nearest == nearest.min())[-1]]
    expected = metrics.accuracy_score(labels, scores >= values["eer_threshold"])
    assert values["accuracy_at_eer"] == pytest.approx(expected)


def test_scores_that_are_no_probabilities_have_no_accuracy_at_half():
    found = measure([-3.0, 2.0, 5.0, 7.0], [0, 0, 1, 1], threshold=3.0, resamples=0).estimates
    assert np.isnan(found["accuracy_at_half"].value)
    assert found["accuracy"].value == found["accuracy_at_eer"].value == 1.0 and found["eer_threshold"].value == 5.0


def test_a_threshold_on_a_score_counts_it_as_fake():
    curve = roc.rates(once([0.2, 0.5, 0.5, 0.8], [0, 0, 1, 1]))
    assert [float(rate[0]) for rate in roc.at_threshold(curve, 0.5)] == [0.5, 1.0]
    assert [float(rate[0]) for rate in roc.at_threshold(curve, 0.50001)] == [0.0, 0.5]


def test_perfect_inverted_and_constant_scores():
    labels = [0, 0, 1, 1]
    assert measure([0, 0, 1, 1], labels, resamples=0).estimates["auc"].value == 1.0
    assert measure([1, 1, 0, 0], labels, resamples=0).estimates["auc"].value == 0.0
    constant = measure([0.5] * 4, labels, resamples=0).estimates
    assert constant["auc"].value == 0.5 and constant["ap_fake"].value == 0.5 and constant["eer"].value == 0.5
    assert measure([1, 1, 0, 0], labels, resamples=0).estimates["eer"].value == 1.0


def test_one_class_gives_no_ranking_but_a_rate():
    only_real = measure([0.1, 0.9], [0, 0], threshold=0.5, resamples=0).estimates
    assert (
        np.isnan(only_real["auc"].value) and np.isnan(only_real["ap_real"].value) and np.isnan(only_real["eer"].value)
    )
    assert only_real["fpr"].value == 0.5


def test_merged_levels_keep_thresholds_exact(rng):
    labels = rng.integers(0, 2, 5000)
    scores = rng.random(5000)
    cuts = [0.37, *calibration_error.CUTS]
    exact, merged = count_scores(scores, labels), count_scores(scores, labels, max_distinct=100, cuts=cuts)
    assert len(merged.values) < 130
    first, second = (summarise(levels.count_once(), 0.37) for levels in (exact, merged))
    assert first["fpr"] == second["fpr"] and first["tpr"] == second["tpr"]
    assert first["ece"] == pytest.approx(second["ece"], abs=1e-9)
    assert first["auc"] == pytest.approx(second["auc"], abs=1 / 100)


def test_resampling_a_clip_is_repeating_its_row(scored):
    """The sparse product gives what counting repeated rows one by one gives."""
    scores, labels = scored
    people = np.arange(400) % 60
    weights = next(weightings(60, 1, np.random.default_rng(3)))
    repeats = weights[people, 0].astype(int)
    fast = summarise(count_scores(scores, labels, people).count(weights), 0.5)
    slow = summarise(once(np.repeat(scores, repeats), np.repeat(labels, repeats)), 0.5)
    for name, value in fast.items():
        assert value[0] == pytest.approx(slow[name][0]), name


def test_intervals_are_wider_when_clips_belong_to_few_people(rng):
    """40 clips of each of 10 people are no 400 witnesses."""
    person = np.repeat(np.arange(10), 40)
    labels = person % 2
    scores = 1 / (1 + np.exp(-(rng.normal(size=10)[person] + labels + 0.1 * rng.normal(size=400))))
    alone = measure(scores, labels, resamples=300).estimates["auc"]
    grouped = measure(scores, labels, person, resamples=300).estimates["auc"]
    assert alone.value == grouped.value
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_interval_covers_the_truth(rng):
    """Of 95 % intervals of a known AUC about 95 % hold it (at least 85 % of 60 here)."""
    truth, held = 0.7602, 0  # P(N(1,1) > N(0,1)) = Phi(1 / sqrt 2)
    for seed in range(60):
        labels = np.repeat([0, 1], 60)
        scores = rng.normal(size=120) + labels
        auc = measure(scores, labels, resamples=200, seed=seed).estimates["auc"]
        held += auc.low <= truth <= auc.high
    assert held >= 51


def test_bad_rows_are_refused():
    with pytest.raises(DataError, match="1 scores are NaN"):
        measure([0.1, float("nan")], [0, 1])
    with pytest.raises(DataError, match=r"neither|must be 1"):
        measure([0.1, 0.2], [0, 2])
    with pytest.raises(DataError, match="one length"):
        measure([0.1, 0.2], [0, 1, 1])


def test_unknown_people_are_not_one_person():
    codes = identity_codes(["ann", "unknown", "", "ann", "unknown", "bob"])
    assert codes[0] == codes[3] and len(set(codes.tolist())) == 5


def test_p_value_and_interval():
    differences = np.concatenate([np.full(990, 0.1), np.full(10, -0.1)])
    assert paired_p_value(differences) == pytest.approx(2 * 11 / 1001)
    assert paired_p_value(np.full(99, 0.1)) == pytest.approx(2 / 100)
    assert interval(np.array([np.nan, 1.0, 2.0, 3.0]))[0] >= 1.0
    assert np.isnan(interval(np.array([np.nan])[:1])[0])


def test_the_scale_benchmark_runs_small():
    from argparse import Namespace

    from benchmarks import metrics as benchmark

    found = benchmark.run(Namespace(rows=20_000, resamples=20))
    assert found["rows"] == 20_000 and found["groups"] >= benchmark.METHODS
    assert 0.9 < found["auc"][0] < 0.94  # Phi(sqrt 2) = 0.921
    assert found["auc"][1] < found["auc"][0] < found["auc"][2]


def test_with_even_classes_the_share_of_fakes_does_not_matter():
    """Where half of the rows at .5 are fake, .5 is right; nine fakes for each genuine row do not make it wrong."""
    scores = [0.5] * 20
    even = measure(scores, [0] * 10 + [1] * 10, resamples=0).estimates
    many = measure(scores, [0] * 2 + [1] * 18, resamples=0).estimates
    assert even["ece"].value == even["ece_balanced"].value == pytest.approx(0.0)
    assert many["ece"].value == pytest.approx(0.4) and many["ece_balanced"].value == pytest.approx(0.0)
    assert np.isnan(measure(scores, [1] * 20, resamples=0).estimates["ece_balanced"].value)
