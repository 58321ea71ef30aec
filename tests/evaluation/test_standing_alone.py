# SPDX-License-Identifier: Apache-2.0
"""Streams that may make a file fake beside the fused head, chosen on made scores: all charges share one rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_analysis import analysis, face
from tiny_model import tiny_spec

from cad.evaluation.calibration.clips import AnalysedPart, CalibrationClips
from cad.evaluation.calibration.file_answers import charged_files, is_called_fake
from cad.evaluation.calibration.standing_alone import (
    ChargedFiles,
    choose_streams,
    groups_of,
    let_stand_alone,
    share_budget,
    without_alone,
)
from cad.spec import OperatingPoint, spec_for

RATE = 0.03
SPEC = tiny_spec()


def files_of(
    rng, real: dict[str, float], fake: dict[str, float], count: int = 400, spread: dict[str, float] | None = None
):
    """Files whose heads' logits are drawn around ``real`` and ``fake``, genuine first, from 20 sources.

    ``spread`` is how far a head's logits of all files of a source are moved, as a head does that knows the sources.
    """
    labels = np.repeat([0, 1], count).astype(np.int8)
    sources = np.array([f"source {number % 20}" for number in range(2 * count)], dtype=object)
    of_source = {name: rng.normal(0, 1, 3) for name in sorted(set(sources))}
    probabilities = {}
    for number, head in enumerate(("fused", "video", "audio")):
        moved = np.array([of_source[name][number] for name in sources]) * (spread or {}).get(head, 0.0)
        logits = rng.normal(0, 1, 2 * count) + np.where(labels == 1, fake[head], real[head]) + moved
        probabilities[head] = 1 / (1 + np.exp(-logits))
    return ChargedFiles(
        probabilities, labels, np.ones(2 * count), sources, sources, np.zeros(2 * count, dtype=np.bool_)
    )


REAL = {"fused": -2.0, "video": -2.0, "audio": -2.0}


def test_the_union_of_all_charges_keeps_the_rate_and_each_has_the_same_part(rng):
    files = files_of(rng, REAL, {"fused": 0.0, "video": 0.0, "audio": 0.0})
    limits, rate = share_budget(files, ("audio", "video"), RATE, {})
    genuine = files.labels == 0
    assert 0 < files.called(limits)[genuine].mean() <= RATE and RATE / 4 < rate < RATE / 2
    parts = [int((files.probabilities[head][genuine] >= limit).sum()) for head, limit in limits.items()]
    same = int(rate * genuine.sum() + 1e-9)
    assert list(limits) == ["fused", "audio", "video"] and min(parts) == same > 0
    assert files.called(limits)[genuine].mean() > RATE - 0.5 / genuine.sum()  # all of it is spent
    assert parts[1:] == [same, same] or parts[0] > same  # and what the same part left, on the fused head first
    # A little more for each, and their union would be over: nothing is left of the budget.
    more = {head: float(np.sort(files.probabilities[head][genuine])[-max(parts) - 4]) for head in limits}
    assert files.called(more)[genuine].mean() > RATE
    alone, _ = share_budget(files, ("audio",), RATE, {})
    assert alone["fused"] < limits["fused"] and alone["audio"] < limits["audio"]  # fewer share it


def test_what_is_called_fake_otherwise_is_taken_off_the_budget(rng):
    files = files_of(rng, REAL, {"fused": 0.0, "video": 0.0, "audio": 0.0})
    some = np.arange(len(files.labels)) < 8  # of 400 genuine files
    spent = replace(files, otherwise=some)
    limits, _ = share_budget(spent, ("audio",), RATE, {})
    called = spent.called(limits)[files.labels == 0]
    assert called.mean() <= RATE and called[:8].all()
    assert limits["audio"] >= share_budget(files, ("audio",), RATE, {})[0]["audio"]
    # Where all of it is gone, no file is called fake besides.
    none, rate = share_budget(replace(files, otherwise=np.arange(800) < 40), ("audio",), RATE, {})
    assert rate == 0.0 and files.called(none)[files.labels == 0].sum() == 0


def test_weights_count_and_not_rows(rng):
    files = files_of(rng, REAL, {"fused": 0.0, "video": 0.0, "audio": 0.0})
    weights = np.where(np.arange(800) < 40, 10.0, 1.0)  # 400 of 760 of the genuine weight
    heavy = replace(files, weights=weights)
    limits, _ = share_budget(heavy, ("audio",), RATE, {})
    called, genuine = heavy.called(limits), files.labels == 0
    assert weights[called & genuine].sum() / weights[genuine].sum() <= RATE + 1e-9


def test_a_stream_that_finds_what_the_fused_head_misses_stands_alone(rng):
    """Forged voices under genuine faces: the fused head sees half of it, the picture nothing."""
    files = files_of(rng, REAL, {"fused": -0.5, "video": -2.0, "audio": 1.5})
    spec, figures = let_stand_alone(SPEC, files, RATE, 20, "made files")
    own = spec_for(spec, "talking_head").operating_points
    assert figures["streams"] == ["audio"] and "audio_alone@talking_head" in spec.operating_points
    assert not any(key.startswith("video_alone") for key in spec.operating_points)
    assert figures["false_positive_rate_of_files"] <= RATE
    assert figures["forged_files_called_fake"] > 0.8
    assert own["fused"].fake_threshold >= SPEC.operating_points["fused"].fake_threshold
    assert own["audio_alone"].fake_threshold >= SPEC.operating_points["audio"].fake_threshold
    assert own["audio_alone"].chosen_on == "made files"
    # Numbers of the heads themselves stay, and so do those for other kinds of file.
    assert spec.operating_points["audio"] == SPEC.operating_points["audio"]
    for kind in ("recording", "still"):
        assert dict(spec_for(spec, kind).operating_points) == dict(SPEC.operating_points)
    assert without_alone(spec).operating_points.keys() == {*SPEC.operating_points, "fused@talking_head"}


def test_a_stream_that_knows_the_sources_is_not_let_in(rng):
    """Its logits depend on the page: thresholds of other pages call genuine files of a new page fake."""
    files = files_of(rng, REAL, {"fused": 0.0, "video": -1.6, "audio": -2.0}, spread={"video": 4.0})
    _, figures = let_stand_alone(SPEC, files, RATE, 20, "made files")
    assert "video" not in figures["streams"]
    rates = figures["called_fake_of_sources_left_out"]
    assert rates["video"]["genuine"] > rates["none"]["genuine"]


def test_nothing_changes_where_no_stream_helps(rng):
    files = files_of(rng, REAL, {"fused": 3.0, "video": -2.0, "audio": -2.0})
    spec, figures = let_stand_alone(SPEC, files, RATE, 20, "made files")
    assert figures["streams"] == [] and spec == SPEC


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda spec, files: (spec, files.only(np.arange(800) >= 385)), "400 forged and 15 genuine files"),
        (
            lambda spec, files: (replace(spec, operating_points={"fused": OperatingPoint()}), files),
            "no threshold for audio",
        ),
    ],
)
def test_too_little_is_said_and_lets_nothing_in(change, why, rng):
    spec, files = change(SPEC, files_of(rng, REAL, REAL))
    found, figures = let_stand_alone(spec, files, RATE, 20, "made files")
    assert found == spec and why in figures["why"]


def test_false_accusations_count_twice():
    gain = {(): (0.02, 0.5), ("audio",): (0.04, 0.55)}
    assert choose_streams(gain) == ("audio",)
    assert choose_streams({**gain, ("audio",): (0.05, 0.55)}) == ()
    assert choose_streams({(): (0.02, 0.5), ("audio",): (0.02, 0.5)}) == ()


def test_sources_are_never_split_between_groups(rng):
    names = np.array([f"page {number}" for number in rng.integers(0, 30, 500)], dtype=object)
    groups = groups_of(names, 8)
    assert all(len(set(groups[names == one])) == 1 for one in set(names)) and len(set(groups)) == 8


def test_the_products_answers_keep_the_rate_under_the_thresholds(rng):
    """Through charges and label, as a user gets them: analyses with a picture and a sound, one source each."""
    import pandas as pd

    labels = np.repeat([0, 1], 60)
    found = tuple(
        analysis(face(0, 100, fused=rng.normal(-2 + label), video=rng.normal(-2), audio=rng.normal(-2 + 4 * label)))
        for label in labels
    )
    names = [f"clip{number}.mp4" for number in range(120)]
    rows = pd.DataFrame(
        {"path": names, "label": labels, "source": [f"s{i % 10}" for i in range(120)], "identity": names}
    )
    nothing = AnalysedPart(rows.iloc[:0], ())
    clips = CalibrationClips(AnalysedPart(rows, (*found[:-1], "undecodable")), nothing, nothing)
    files = charged_files(clips, SPEC)
    assert len(files.labels) == 119 and files.is_joint.all() and not files.otherwise.any()
    spec, figures = let_stand_alone(SPEC, files, 0.05, 20, "made clips")
    assert figures["streams"] == ["audio"]
    called = np.array([is_called_fake(one, spec) for one in found[:-1]])
    assert called[files.labels == 0].mean() <= 0.05 and called[files.labels == 1].mean() > 0.7
    assert called[files.labels == 1].mean() == pytest.approx(figures["forged_files_called_fake"], abs=1e-4)
