# SPDX-License-Identifier: Apache-2.0
"""What --weights may name, and tables of models by sets."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pandas
import pytest
from made_media import stand_in_for_faces
from miniature import ByLabel, write_set
from requirements import require
from tiny_model import tiny_onnx, tiny_spec, write_weights
from tool_module import load_tool

from cad.data.manifest import read_manifest
from cad.errors import DataError, MissingExtraError, WeightsError, WeightsNotFoundError
from cad.evaluation.formats import FORMATS
from cad.evaluation.model_tables import json_of, measure_model, measure_scores, model_tables
from cad.evaluation.model_weights import find_weights

evaluate = load_tool("evaluate")


class Constant(ByLabel):
    """As unsure of everything."""

    identity = "constant"
    is_calibrated = False

    def score(self, path, file):
        return dataclasses.replace(super().score("", file), path=path)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    return read_manifest(write_set(tmp_path_factory.mktemp("miniature"), speech=0))


def knowing(manifest):
    scorer = ByLabel(manifest)
    scorer.is_calibrated = True
    return scorer


def test_models_by_sets(miniature, tmp_path):
    sets = {"one": miniature.select("val"), "two": miniature.select("train")}
    models = {"knows": knowing(miniature), "guesses": Constant(miniature)}
    found = [
        measure_model(model, scorer, name, manifest, tmp_path / model / name, resamples=20)
        for model, scorer in models.items()
        for name, manifest in sets.items()
    ]
    scores = pandas.DataFrame({"path": miniature.rows["path"], "p_file": 1.0 - miniature.rows["label"]})
    found += [measure_scores("wrong", scores, name, manifest, resamples=0) for name, manifest in sets.items()]
    document = model_tables(found, "Models", metrics=("auc", "eer"), facts=["A fact."])
    auc, eer, rows = document.tables
    assert auc.headings == ["model", "one", "two", "mean"]
    values = {line[0]: [cell.value for cell in line[1:]] for line in auc.lines}
    assert values == {"knows": [1.0] * 3, "guesses": [0.5] * 3, "wrong": [0.0] * 3}
    assert {line[0]: line[1].value for line in eer.lines} == {"knows": 0.0, "guesses": 0.5, "wrong": 1.0}
    assert [line[:4] for line in rows.lines][:2] == [["knows", "one", "2", "6"], ["knows", "two", "2", "6"]]
    assert document.facts == ["A fact.", "guesses is uncalibrated: figures at a threshold mean nothing."]
    assert "| knows | 1.000 [1.000, 1.000] | 1.000" in FORMATS["md"](document)
    assert r"guesses & 0.500" in FORMATS["latex"](document)
    stored = json.loads(json.dumps(json_of(found)))
    assert stored[2]["identity"] == "constant" and stored[2]["measured"]["metrics"]["auc"]["value"] == 0.5
    # A second run goes on from the scores; another model's scores never mix with them.
    again = knowing(miniature)
    measure_model("knows", again, "one", sets["one"], tmp_path / "knows" / "one", resamples=0)
    assert again.seen == []
    with pytest.raises(DataError, match="holds scores of by label, not of constant"):
        measure_model("x", models["guesses"], "one", sets["one"], tmp_path / "knows" / "one")


def test_a_model_that_was_not_measured_on_a_set_has_no_mean(miniature):
    scores = pandas.DataFrame({"path": miniature.rows["path"], "p_file": 1.0 * miniature.rows["label"]})
    found = [
        measure_scores(name, scores, dataset, miniature.select(split), resamples=0)
        for name, dataset, split in (("a", "one", "val"), ("a", "two", "train"), ("b", "one", "val"))
    ]
    first, second = model_tables(found, "T", ("auc",)).tables[0].lines
    assert first[3].value == 1.0 and second[2] == "-" and np.isnan(second[3].value)


def test_names_and_folders_of_weights_pass_through(tmp_path, tiny_weights):
    assert find_weights(None).name is None and find_weights("cad_small_2").notes == ()
    assert find_weights(str(tiny_weights)).name == str(tiny_weights)
    bare = find_weights(str(tiny_weights / "model.onnx"))
    assert bare.name == str(tiny_weights / "model.onnx") and "its hash was not checked" in bare.notes[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "holds neither weights .manifest.json. nor a checkpoint .model.safetensors or best/model"),
        ("last.ckpt", "state that a run goes on from; name the run's folder"),
        ("notes.txt", "is no .safetensors checkpoint, .onnx file or folder of weights"),
    ],
)
def test_what_is_no_weights_is_said(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "last.ckpt").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(WeightsNotFoundError, match=message):
        find_weights(str(tmp_path / name))


def test_a_checkpoint_needs_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cad.export.checkpoint", None)
    (tmp_path / "a.safetensors").write_bytes(b"bytes")
    with pytest.raises(MissingExtraError, match=r"pip install 'cad-detect\[train\]'"):
        find_weights(str(tmp_path / "a.safetensors"))


@pytest.fixture
def run_folder(tmp_path):
    require("train")
    from tiny_cad import tiny_small

    from cad.models import save_checkpoint

    best = tmp_path / "runs" / "fav" / "best"
    best.mkdir(parents=True)
    save_checkpoint(tiny_small(), best / "model.safetensors", {"trained_on": "nothing"})
    return best.parent


def test_a_run_folder_is_exported_once(run_folder, monkeypatch):
    found = find_weights(str(run_folder)).name
    assert found.startswith(str(run_folder / "best" / "exported" / "fav-"))
    from cad.detector import Detector

    with Detector(model=found) as detector:
        assert detector.spec.trained_on == "nothing"
    monkeypatch.setitem(sys.modules, "cad.export.weights_folder", None)  # what is there needs no torch
    for same in (run_folder / "best", run_folder / "best" / "model.safetensors"):
        assert find_weights(str(same)).name == found


def test_other_bytes_are_another_model(run_folder, monkeypatch):
    """A half-made export is made anew, and new bytes under the old path are not taken for the old model."""
    made = []

    def export(checkpoint, folder):
        made.append(folder.name)
        if len(made) == 1:
            raise WeightsError("interrupted")

    monkeypatch.setattr("cad.export.weights_folder.export_folder", export)
    with pytest.raises(WeightsError):
        find_weights(str(run_folder))
    first = find_weights(str(run_folder)).name
    with (run_folder / "best" / "model.safetensors").open("ab") as stream:
        stream.write(b" ")
    assert find_weights(str(run_folder)).name != first and len(made) == 3


def test_the_model_just_trained_is_evaluated_by_its_folder(run_folder, miniature, tmp_path, monkeypatch, capsys):
    stand_in_for_faces(monkeypatch)
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])
    line = ["--weights", str(run_folder / "best"), "--manifest", str(miniature.root / "manifest.csv"), "--split", "val",
            "--clips", "2", "--resamples", "0", "--out", str(tmp_path / "o")]  # fmt: skip
    assert evaluate.main(line) == 0
    out, _ = capsys.readouterr()
    assert "Weights: `fav-" in out and "| file | 2 / 2 |" in out


def test_an_uncalibrated_model_says_so_and_is_measured(miniature, tmp_path, monkeypatch, capsys):
    stand_in_for_faces(monkeypatch)
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])
    weights = write_weights(tmp_path / "raw", tiny_onnx(tiny_spec(calibration={}, operating_points={})))
    line = ["--weights", str(weights), "--manifest", str(miniature.root / "manifest.csv"), "--split", "val",
            "--resamples", "0", "--out", str(tmp_path / "o")]  # fmt: skip
    assert evaluate.main(line) == 0
    out, err = capsys.readouterr()
    assert "uncalibrated: figures at a threshold mean nothing" in out and "uncalibrated" in err
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    auc = {view["name"]: view["measured"]["metrics"]["auc"]["value"] for view in report["parts"][0]["views"]}
    assert auc["video head"] == 1.0 and auc["file"] == 1.0


def test_mistakes_in_weights_are_one_line(miniature, tmp_path, capsys):
    line = ["--manifest", str(miniature.root / "manifest.csv"), "--split", "val"]
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    for weights, code, words in (
        (str(tmp_path), 4, "holds neither weights"),
        (str(tmp_path / "bad.safetensors"), 4, "is not a safetensors file"),
        ("runs/nothing", 4, "there are no weights called"),
    ):
        assert evaluate.main([*line, "--weights", weights]) == code
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("evaluate: ") and words in last
    assert evaluate.main([*line, "--weights-for", "as_is"]) == 2
    assert "--weights-for 'as_is' must be PART=WEIGHTS" in capsys.readouterr().err
