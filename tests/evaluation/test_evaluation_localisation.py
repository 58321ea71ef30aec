# SPDX-License-Identifier: Apache-2.0
"""AP and AR of stretches, held against the figures of the ``avdeepfake1m`` package.

Its wheel pins an old numpy and torch, so it is no dependency; where it lies installed (``pip install --no-deps
avdeepfake1m``) its compiled part is loaded by itself and compared, elsewhere the figures that it printed for the same
proposals (seed 0 and 1 below) stand in for it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import json

import numpy as np
import pandas
import pytest
from requirements import require

from cad.errors import DataError
from cad.evaluation.localisation import AP_OVERLAPS, AR_OVERLAPS, DEFINITIONS, Localisation, Proposals
from cad.evaluation.proposals import join_proposals, read_proposals

PROPOSALS = (50, 30, 20, 10, 5)
AV_DEEPFAKE1M, LAVDF, OURS = DEFINITIONS["avdeepfake1m"], DEFINITIONS["lavdf"], DEFINITIONS["cad"]

#: Printed by avdeepfake1m 0.0.4 (ap_ar_1d) for made_files(seed): AP at AP_OVERLAPS, AR at PROPOSALS.
REFERENCE = {
    0: [0.2569, 0.101, 0.00263, 0.00041, 0.60476, 0.52381, 0.49048, 0.37857, 0.28571],
    1: [0.22484, 0.09569, 0.00287, 6e-05, 0.52979, 0.49362, 0.46596, 0.37021, 0.26596],
}


def made_files(seed):
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(30):
        truth, proposals, at = [], [], 0.0
        for _ in range(rng.integers(0, 4)):
            start = at + rng.uniform(0.1, 1.0)
            at = start + rng.uniform(0.2, 2.0)
            truth.append([round(start, 3), round(at, 3)])
            for _ in range(rng.integers(0, 4)):
                low, high = start + 0.2 * rng.normal(), at + 0.2 * rng.normal()
                if high > low:
                    proposals.append([rng.random(), low, high])
        for _ in range(rng.integers(1, 70)):
            low = rng.uniform(0, 6)
            proposals.append([0.9 * rng.random(), low, low + rng.uniform(0.1, 2)])
        files.append((sorted(proposals, reverse=True), truth))
    return files


def ours(files, definition=AV_DEEPFAKE1M):
    made = [Proposals.as_given(proposals, truth) for proposals, truth in files]
    found = Localisation(made, definition).figures()
    return [found[f"AP@{overlap}"] for overlap in AP_OVERLAPS] + [found[f"AR@{number}"] for number in PROPOSALS]


@pytest.mark.parametrize("seed", [0, 1])
def test_figures_of_the_reference_package(seed):
    assert ours(made_files(seed)) == pytest.approx(REFERENCE[seed], abs=1e-4)


@pytest.mark.parametrize("seed", range(2, 12))
def test_the_reference_package_itself(seed, tmp_path):
    reference = reference_module()
    files = made_files(seed)
    if seed % 2:  # proposals that are not in order
        files[0] = ([[0.2, 0.0, 1.0], [0.9, 0.04, 0.97]], [[0.0, 1.0]])
    labels = [{"file": f"{i}.mp4", "fake_segments": truth} for i, (_, truth) in enumerate(files)]
    proposed = {f"{i}.mp4": proposals for i, (proposals, _) in enumerate(files)}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "proposals.json").write_text(json.dumps(proposed))
    found = reference.ap_ar_1d(
        str(tmp_path / "proposals.json"), str(tmp_path / "labels.json"), "file", "fake_segments", 1.0,
        list(AP_OVERLAPS), list(PROPOSALS), list(AR_OVERLAPS),
    )  # fmt: skip
    expected = [found["ap"][key] for key in sorted(found["ap"])] + [found["ar"][n] for n in PROPOSALS]
    assert ours(files) == pytest.approx(expected, abs=1e-5)


def reference_module():
    require("avdeepfake1m")
    files = importlib.metadata.files("avdeepfake1m") or []
    compiled = next(str(file.locate()) for file in files if file.name.startswith("_evaluation"))
    loader = importlib.machinery.ExtensionFileLoader("_evaluation", compiled)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_evaluation", loader))
    loader.exec_module(module)
    return module


def figures(*files, definition=OURS):
    return Localisation(list(files), definition).figures()


def test_by_hand():
    files = [
        Proposals.of([[0.9, 1.0, 2.1], [0.5, 0, 1]], [[1, 2]]),
        Proposals.of([[0.8, 0, 1]], []),
        Proposals.of([[0.7, 0, 1.5], [0.6, 2, 3]], [[0, 1], [2, 3]]),
    ]
    # Ordered: hit, miss (genuine file), hit, hit, miss -> recall 1/3, 1/3, 2/3, 1 at precision 1, .5, .67, .75.
    assert figures(*files)["AP@0.5"] == pytest.approx(1 / 3 + 2 / 3 * 0.75)
    # The benchmarks leave out the step to the first proposal, which finds a third of the stretches.
    for definition in (LAVDF, AV_DEEPFAKE1M):
        assert figures(*files, definition=definition)["AP@0.5"] == pytest.approx(2 / 3 * 0.75)
    # Overlaps are 1 / 1.1 = .909, 2 / 3 and 1. Over .5: all three; up to .65 still; from .7 on two; over .95 one.
    assert figures(*files)["AR@5"] == pytest.approx((4 * 3 + 5 * 2 + 1) / 3 / 10)
    assert [figures(*files)[f"AP@{overlap}"] > 0 for overlap in AP_OVERLAPS] == [True] * 4


def test_recall_counts_the_first_proposals_in_their_order():
    stretches = [[i, i + 1] for i in range(20)]
    # Six proposals of the first stretch before the others, and so five find one stretch, ten five, twenty fifteen.
    proposals = [[0.9, 0, 1]] * 6 + [[0.5, i, i + 1] for i in range(1, 20)]
    found = figures(Proposals.as_given(proposals, stretches))
    assert [found[f"AR@{n}"] for n in (5, 10, 20, 30)] == pytest.approx([1 / 20, 5 / 20, 15 / 20, 1.0])


def test_the_score_of_the_challenge_is_half_precision_and_half_recall():
    file = Proposals.as_given([[0.9, 0, 10], [0.8, 20, 28]], [[0, 10], [20, 30]])
    found = figures(file, definition=AV_DEEPFAKE1M)
    # The first step is left out, so that the second stretch alone counts: overlap .8, found at .5 and .75.
    assert [found[f"AP@{overlap}"] for overlap in AP_OVERLAPS] == [0.5, 0.5, 0.0, 0.0]
    recall = (6 * 2 + 4 * 1) / 2 / 10  # .5 to .75 both, from .8 on (it is not exceeded) one
    assert found["AR@5"] == pytest.approx(recall) and found["score"] == pytest.approx(0.5 * 0.25 + 0.5 * recall)
    assert "score" not in figures(file, definition=LAVDF)


def test_the_stretches_of_a_file_without_proposals_are_missed():
    files = [Proposals.of([[0.9, 0, 1], [0.8, 2, 3]], [[0, 1], [2, 3]]), Proposals.of([], [[0, 1], [2, 3]])]
    for definition, precision in ((LAVDF, 0.25), (AV_DEEPFAKE1M, 0.25), (OURS, 0.5)):
        found = figures(*files, definition=definition)
        assert found["AR@5"] == 0.5 and found["AP@0.5"] == precision


def test_an_overlap_of_frames_is_compared_in_single_precision():
    """On the grid of frames overlaps are exactly a half or three quarters, so that rounding decides."""
    assert (7 / 25 - 0.04) / (0.52 - 0.04) == 0.5  # 6 of 12 frames: not above a half in double precision
    half = Proposals.as_given([[0.9, 40, 50], [0.8, 1, 7]], [[0.04, 0.52]], units_per_second=25.0)
    assert figures(half)["AP@0.5"] == 0.5  # the second proposal finds it
    assert (20 / 25 - 5 / 25) / (0.8 - 0.0) > 0.75  # 15 of 20 frames: above in double precision
    quarters = Proposals.as_given([[0.9, 5, 20]], [[0.0, 0.8]], units_per_second=25.0)
    assert figures(quarters)["AP@0.75"] == 0.0 and figures(quarters)["AP@0.5"] == 1.0


def test_perfect_nothing_and_no_truth():
    perfect = Proposals.of([[1.0, 0, 1]], [[0, 1]])
    assert set(figures(perfect).values()) == {1.0}
    assert set(figures(Proposals.of([], [[0, 1]])).values()) == {0.0}
    assert all(np.isnan(value) for value in figures(Proposals.of([[0.5, 0, 1]], [])).values())


def test_two_proposals_of_one_stretch_are_one_hit_and_one_miss():
    twice = Proposals.of([[0.9, 0, 1], [0.8, 0, 1]], [[0, 1], [5, 6]])
    assert figures(twice)["AP@0.5"] == 0.5


def test_a_weighted_file_counts_as_often_as_it_is_repeated():
    files = [Proposals.of(proposals, truth) for proposals, truth in made_files(3)]
    weights = np.arange(30) % 3
    repeated = [file for file, weight in zip(files, weights, strict=True) for _ in range(weight)]
    weighted = Localisation(files, OURS).figures(weights.astype(np.float64))
    assert weighted == pytest.approx(Localisation(repeated, OURS).figures())


ROWS = pandas.DataFrame({
    "path": ["val/a/fake.mp4", "val/a/real.mp4", "val/b/fake.mp4"],
    "fake_segments": ["[[1.0, 2.0]]", "", "[[0.0, 1.0]]"],
    "duration_seconds": [4.0, 4.0, 4.0],
})  # fmt: skip


def test_proposals_are_found_under_their_folder_and_in_their_unit(tmp_path):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"a/fake.mp4": [[0.9, 25, 50]], "a/real.mp4": [], "c/fake.mp4": [[0.1, 0, 1]]}))
    joined = join_proposals(ROWS, read_proposals(path), LAVDF)
    assert joined.files[0].proposals[:, 1:].tolist() == [[1.0, 2.0]] and not len(joined.files[1].proposals)
    assert [(one.kind, one.path) for one in joined.problems] == [
        ("row_without_proposals", "val/b/fake.mp4"), ("proposals_without_row", "val/c/fake.mp4")]  # fmt: skip
    assert joined.notes == ()
    # The same file read as seconds ends at 50 s in a clip of 4 s; and order matters, so it is said.
    (note,) = join_proposals(ROWS, {"a/fake.mp4": [(0.9, 25, 50)]}, AV_DEEPFAKE1M).notes
    assert "far beyond" in note
    (note,) = join_proposals(ROWS, {"a/fake.mp4": [(0.1, 0, 1), (0.9, 1, 2)]}, AV_DEEPFAKE1M).notes
    assert "1 files are not ordered by score" in note
    with pytest.raises(DataError, match="none of the 1 files with proposals"):
        join_proposals(ROWS, {"x.mp4": [(0.1, 0, 1)]}, LAVDF)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", "cannot be read as JSON"),
        ("[]", "must hold an object"),
        ('{"a.mp4": 3}', "'a.mp4' must have a list"),
        ('{"a.mp4": [[0.5, 1]]}', r"'a.mp4' has \[0.5, 1\]"),
        ('{"a.mp4": [[0.5, 2, 1]]}', r"'a.mp4' has \[0.5, 2, 1\]"),
        ('{"a.mp4": [[NaN, 0, 1]]}', "no .score, start, stop."),
    ],
)
def test_malformed_proposals_are_one_line(tmp_path, text, message):
    path = tmp_path / "theirs.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_proposals(path)
