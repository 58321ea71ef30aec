# SPDX-License-Identifier: Apache-2.0
"""Every protocol runs on a miniature set of real media."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import av
import numpy as np
import pytest
from miniature import ByLabel, write_set

from cad.data.manifest import read_manifest
from cad.errors import DataError, OptionError
from cad.evaluation.formats import as_markdown
from cad.evaluation.parts import parts_of
from cad.evaluation.protocols import Kind, Protocol, load_protocol
from cad.evaluation.row_views import sample_rows
from cad.evaluation.runner import run_part
from cad.evaluation.writing import write_results

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "protocols"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    return read_manifest(write_set(tmp_path_factory.mktemp("miniature")))


def run(protocol, manifest, out, manifests=None, draw=False):
    scorer = ByLabel(manifest)
    results = [
        run_part(part, scorer, scorer.thresholds, protocol, out, resamples=20)
        for part in parts_of(protocol, manifests or {"miniature": manifest})
    ]
    return results, as_markdown(write_results(results, protocol, ["facts"], out, scorer.thresholds, draw)), scorer


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_file_loads(name):
    protocol = load_protocol(name, FOLDER)
    assert protocol.name == name and protocol.title and protocol.source


def test_all_seven_protocols_are_there():
    assert {load_protocol(name, FOLDER).kind for name in NAMES} == set(Kind)


def test_robustness_has_five_levels_of_every_perturbation():
    from cad.evaluation.perturb.catalogue import NAMES as PERTURBATIONS

    levels = load_protocol("robustness", FOLDER).perturbations
    assert set(levels) == set(PERTURBATIONS) and {len(line) for line in levels.values()} == {5}


def test_mistakes_in_protocol_files(tmp_path):
    with pytest.raises(OptionError, match=r"did you mean robustness"):
        load_protocol("robustnes", FOLDER)
    (tmp_path / "a.yaml").write_text("kind: conditions\ntitle: t\nsplitt: val\n")
    with pytest.raises(OptionError, match=r"'splitt': .'split'"):
        load_protocol("a", tmp_path)
    (tmp_path / "b.yaml").write_text("kind: nothing\ntitle: t\n")
    with pytest.raises(OptionError, match="kinds are"):
        load_protocol("b", tmp_path)
    (tmp_path / "c.yaml").write_text("kind: robustness\ntitle: t\nperturbations: {blurr: [1]}\n")
    with pytest.raises(OptionError, match="no perturbation 'blurr'"):
        load_protocol("c", tmp_path)
    (tmp_path / "d.yaml").write_text("kind: [")
    with pytest.raises(OptionError, match="not YAML"):
        load_protocol("d", tmp_path)


def test_conditions_trimmed_and_untrimmed(miniature, tmp_path):
    plan = Protocol("p", Kind.CONDITIONS, "T", split="val", conditions=("as_is", "rewritten", "trimmed"))
    results, text, scorer = run(plan, miniature, tmp_path, draw=True)
    assert (tmp_path / "figures/parts.png").stat().st_size > 5000 and (tmp_path / "figures/trimmed/roc.svg").is_file()
    assert [result.part.name for result in results] == ["as_is", "rewritten", "trimmed"]
    assert "| trimmed |" in text and "## Coverage" in text
    by_condition = len(miniature.select("val").rows)
    assert len(scorer.seen) == 3 * by_condition
    assert {suffix for _, suffix in scorer.seen[by_condition:]} == {".mkv"}  # made, not as they lie on disk
    assert all(r.report.views[0].measured.estimates["auc"].value == 1.0 for r in results)


def test_folds_are_balanced_and_disjoint(miniature, tmp_path):
    plan = Protocol("p", Kind.FOLDS, "T", folds=2, per_category=4)
    av = miniature.rows[miniature.rows["category"] != ""].reset_index(drop=True)
    results, _, _ = run(plan, dataclasses.replace(miniature, rows=av), tmp_path)
    people = [set(result.part.rows["identity"]) for result in results]
    assert len(people) == 2 and not people[0] & people[1]
    for result in results:
        assert set(result.part.rows["category"].value_counts()) == {2}


def test_one_manipulation_held_out(miniature, tmp_path):
    held = {"RVFA": {"category": "RealVideo-FakeAudio", "methods": ("rtvc",)},
            "FVFA-FS": {"category": "FakeVideo-FakeAudio", "methods": ("faceswap",)}}  # fmt: skip
    results, text, _ = run(Protocol("p", Kind.HELD_OUT, "T", split="val", held_out=held), miniature, tmp_path)
    assert set(results[0].part.rows["method"]) == {"real", "rtvc"}
    assert set(results[1].part.rows["method"]) == {"real", "faceswap"} and "| RVFA |" in text
    with pytest.raises(DataError, match="no row is left for X"):
        missing = {"X": {"category": "None", "methods": ("a",)}}
        list(parts_of(Protocol("p", Kind.HELD_OUT, "T", held_out=missing), {"m": miniature}))


def test_transfer_scores_every_set(miniature, tmp_path):
    plan = Protocol("p", Kind.TRANSFER, "T")
    results, text, _ = run(
        plan, miniature, tmp_path, {"one": miniature.select("val"), "two": miniature.select("train")}
    )
    assert [result.part.name for result in results] == [
        "one: all rows",
        "two: all rows",
    ] and "| two: all rows |" in text


def test_localisation(miniature, tmp_path):
    results, text, _ = run(Protocol("p", Kind.LOCALISATION, "T", split="val"), miniature, tmp_path)
    figures = results[0].localisation
    assert figures["AP@0.5"].value == pytest.approx(4 / 7, abs=0.3) and "## Localisation" in text
    assert figures["AP@0.95"].value == 0 and figures["AR@5"].value > 0.5  # [0.3, 1.0) of [0.2, 1.0) is 0.875
    # The made scorer gives stretches of one stream, so that this stream alone is the whole.
    ((stream, alone),) = results[0].localisation_by_stream.items()
    assert alone["AP@0.5"].value == figures["AP@0.5"].value and f"{stream} alone" in text


def test_splices(miniature, tmp_path):
    plan = Protocol("p", Kind.SPLICES, "T", split="val", splice_seconds=(0.4, 0.8))
    results, _, scorer = run(plan, miniature, tmp_path)
    rows = results[0].part.rows
    assert len(rows) == 4 and rows["label"].tolist() == [0, 1, 0, 1]
    assert all(rows["fake_segments"][rows["label"] == 1] != "") and all(rows["audio_fake"] == rows["label"])
    assert set(results[0].localisation) >= {"AP@0.5", "AR@50"} and len(scorer.seen) == 4


def test_splices_of_one_length_in_the_longer_clips(miniature, tmp_path):
    plan = Protocol("p", Kind.SPLICES, "T", split="val", splice_seconds=(1.0, 1.0), min_seconds=1.0)
    (part,) = parts_of(plan, {"m": miniature})
    for text in part.rows["fake_segments"][part.rows["label"] == 1]:
        ((start, stop),) = json.loads(text)
        assert stop - start == pytest.approx(1.0, abs=0.002) and start >= 0.1 and stop <= 1.8
    assert set(part.rows["method"]) == {"real", "the same words, forged"}  # the miniature pairs them
    partly = dataclasses.replace(part, left_out={"shorter than the protocol asks for": 3})
    scorer = ByLabel(miniature)
    result = run_part(partly, scorer, scorer.thresholds, plan, tmp_path, resamples=0)
    text = as_markdown(write_results([result], plan, ["facts"], tmp_path, {}, draw=False))
    assert "Rows left out: shorter than the protocol asks for: 3." in text
    with pytest.raises(DataError, match="shorter than the protocol asks for': 2"):
        list(parts_of(load_protocol("splices_one_second", FOLDER), {"m": miniature}))


def test_genuine_clips_as_they_are_and_re_encoded(miniature, tmp_path):
    """Only genuine rows with a picture, the false accusations of both conditions in one table, and no AUC."""
    made = []

    class Looking(ByLabel):
        def score(self, path, file):
            with av.open(str(file)) as container:
                made.append((file.suffix, container.streams.audio[0].codec_context.name))
            return super().score(path, file)

    plan, scorer = load_protocol("reencoded", FOLDER), Looking(miniature)
    results = [run_part(part, scorer, scorer.thresholds, plan, tmp_path, resamples=20)
               for part in parts_of(plan, {"m": miniature})]  # fmt: skip
    text = as_markdown(write_results(results, plan, ["facts"], tmp_path, scorer.thresholds))
    assert [result.part.name for result in results] == ["as_is", "reencoded"]
    for result in results:
        assert result.part.rows["path"].tolist() == ["av/p0_00.mp4", "av/p2_00.mp4"]
        measured = result.report.views[0].measured
        assert measured.estimates["fpr"].value == 0 and np.isnan(measured.estimates["auc"].value)
    assert made[2:] == [(".mp4", "aac")] * 2 and "| reencoded | 2 / 0 | 0.000" in text


def test_an_unknown_choice_of_rows_is_refused():
    with pytest.raises(OptionError, match="rows is 'real'; known are"):
        Protocol("p", Kind.CONDITIONS, "T", rows="real")


def test_desync(miniature, tmp_path):
    plan = Protocol("p", Kind.DESYNC, "T", split="val", shifts_seconds=(-0.4, 1.2), min_seconds=1.0)
    with pytest.raises(DataError, match=r"no row is left for shift \+1.20 s .*too short for this shift"):
        run(plan, miniature, tmp_path)
    plan = Protocol("p", Kind.DESYNC, "T", split="val", shifts_seconds=(-0.4,), min_seconds=1.0)
    results, _, _ = run(plan, miniature, tmp_path)
    shifted, dubbed = results
    assert shifted.part.name == "shift -0.40 s" and dubbed.part.name == "other speaker"
    for result in results:
        rows = result.part.rows
        assert rows["label"].tolist() == [0, 1, 0, 1] and set(rows["audio_fake"]) == {0}
        sync = next(view for view in result.report.views if view.view.name == "sync head")
        assert sync.measured.estimates["auc"].value == 1.0


def test_robustness_draws_heat_maps(miniature, tmp_path):
    plan = Protocol("p", Kind.ROBUSTNESS, "T", split="val", clips=2, groups=(),
                    perturbations={"mp3": (64.0, 24.0), "resize": (0.5, 0.2)})  # fmt: skip
    results, text, _ = run(plan, miniature, tmp_path, draw=True)
    assert [r.part.name for r in results] == ["none", "mp3 1", "mp3 2", "resize 1", "resize 2"]
    assert {len(result.part.rows) for result in results} == {4}  # two of each class
    assert (tmp_path / "figures/robustness_auc.png").stat().st_size > 5000
    assert (tmp_path / "figures/robustness_fpr.svg").is_file() and "| mp3 2 |" in text


def test_a_run_leaves_scores_report_and_figures(miniature, tmp_path):
    plan = Protocol("p", Kind.CONDITIONS, "Title", split="val")
    _, text, first = run(plan, miniature, tmp_path, draw=True)
    assert (tmp_path / "report.md").read_text() == text and text.startswith("# Title")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parts"][0]["views"][0]["measured"]["metrics"]["auc"]["value"] == 1.0
    assert (tmp_path / "scores/as_is.parquet").is_file() and (tmp_path / "figures/roc.svg").is_file()
    _, again, second = run(plan, miniature, tmp_path)
    assert again == text and first.seen and not second.seen  # nothing is scored twice


def test_a_file_that_cannot_be_made_is_an_error_row(miniature, tmp_path):
    rows = miniature.select("val").rows
    broken = tmp_path / "data"
    for path in rows["path"]:
        (broken / path).parent.mkdir(parents=True, exist_ok=True)
        (broken / path).write_bytes(b"no media" if "00" in path else miniature.file(path).read_bytes())
    plan = Protocol("p", Kind.CONDITIONS, "T", split="val", conditions=("rewritten",))
    manifest = dataclasses.replace(miniature, root=broken)
    results, text, _ = run(plan, manifest, tmp_path / "out")
    assert results[0].report.coverage.answers["real"].get("error") == 2 and "| real | 0 | 1 | 0 | 2 |" in text


def test_samples_are_spread_over_people_and_the_same_again(miniature):
    chosen = sample_rows(miniature.rows, 3, seed=0)
    assert chosen["path"].tolist() == sample_rows(miniature.rows, 3, seed=0)["path"].tolist()
    assert chosen["label"].value_counts().tolist() == [3, 3]
    assert chosen[chosen["label"] == 1]["identity"].nunique() == 3
    assert np.array_equal(sample_rows(miniature.rows, 0, seed=0).index, miniature.rows.index)
