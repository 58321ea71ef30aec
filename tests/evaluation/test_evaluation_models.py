# SPDX-License-Identifier: Apache-2.0
"""What --weights may name, and tables of models by sets."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import pytest
from made_media import stand_in_for_faces
from miniature import write_set
from requirements import require
from tiny_model import tiny_onnx, tiny_spec, write_weights
from tool_module import load_tool

from cad.data.manifest import Row, frame_of, read_manifest
from cad.errors import MissingExtraError, WeightsError, WeightsNotFoundError
from cad.evaluation.formats import FORMATS
from cad.evaluation.joining import join
from cad.evaluation.model_tables import ModelOnSet, json_of, model_tables
from cad.evaluation.model_weights import find_weights
from cad.evaluation.report import build_report
from cad.weights import list_entries

evaluate = load_tool("evaluate")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    return read_manifest(write_set(tmp_path_factory.mktemp("miniature"), speech=0))


def measured(model, dataset, score, is_calibrated=True):
    """The figures of scores that a function of the label gives, on two genuine and three forged rows."""
    rows = frame_of(Row(f"{i}.mp4", int(i > 1), identity=f"id{i}") for i in range(5))
    joined = join(rows, rows[["path"]].assign(p_file=score(rows["label"])))
    report = build_report(joined, {}, groups=(), resamples=0)
    return ModelOnSet(model, dataset, report, f"{model} 00", is_calibrated)


def test_models_by_sets():
    found = [
        measured(model, dataset, score, model != "guesses")
        for model, score in (
            ("knows", lambda label: 0.2 + 0.6 * label),
            ("guesses", lambda label: 0.5 + 0 * label),
            ("wrong", lambda label: 1.0 - label),
        )
        for dataset in ("one", "two")
    ]
    document = model_tables(found, "Models", metrics=("auc", "eer"), facts=["A fact."])
    auc, eer, rows = document.tables
    assert auc.headings == ["model", "one", "two", "mean"]
    values = {line[0]: [cell.value for cell in line[1:]] for line in auc.lines}
    assert values == {"knows": [1.0] * 3, "guesses": [0.5] * 3, "wrong": [0.0] * 3}
    assert {line[0]: line[1].value for line in eer.lines} == {"knows": 0.0, "guesses": 0.5, "wrong": 1.0}
    assert rows.lines[1] == ["knows", "two", "2", "3", "none"]
    assert document.facts == ["A fact.", "guesses is uncalibrated: figures at a threshold mean nothing."]
    assert "| knows | 1.000 | 1.000 | 1.000 |" in FORMATS["md"](document)
    assert r"guesses & 0.500 & 0.500 & 0.500 \\" in FORMATS["latex"](document)
    stored = json.loads(json.dumps(json_of(found)))
    assert stored[2]["identity"] == "guesses 00" and stored[2]["measured"]["metrics"]["auc"]["value"] == 0.5


def test_a_model_that_was_not_measured_on_a_set_has_no_mean():
    found = [measured(*names, lambda label: label) for names in (("a", "one"), ("a", "two"), ("b", "one"))]
    first, second = model_tables(found, "T", ("auc",)).tables[0].lines
    assert first[3].value == 1.0 and second[2] == "-" and np.isnan(second[3].value)


def test_names_and_folders_of_weights_pass_through(tmp_path, tiny_weights):
    assert find_weights(None).name is None
    assert [find_weights(entry.name).notes for entry in list_entries("detector")[:1]] == [()]
    assert find_weights(str(tiny_weights)).name == str(tiny_weights)


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
    monkeypatch.setitem(sys.modules, "cad.export.weights_folder", None)
    (tmp_path / "a.safetensors").write_bytes(b"bytes")
    with pytest.raises(MissingExtraError, match=r"pip install 'cad-detect\[train\]'"):
        find_weights(str(tmp_path / "a.safetensors"))


@pytest.fixture
def run_folder(tmp_path):
    """The folder of a run with bytes for a checkpoint."""
    best = tmp_path / "runs" / "fav" / "best"
    best.mkdir(parents=True)
    (best / "model.safetensors").write_bytes(b"one")
    return best.parent


@pytest.fixture
def exports(monkeypatch):
    """Exports by name, made in no time: the model that they leave is the tiny one. The first is interrupted."""
    require("train")
    made = []

    def export(checkpoint, folder):
        made.append(folder.name)
        if len(made) == 1:
            raise WeightsError("interrupted")
        write_weights(folder, tiny_onnx(tiny_spec(name=folder.name, calibration={}, operating_points={})))

    monkeypatch.setattr("cad.export.weights_folder.export_folder", export)
    return made


def test_a_checkpoint_is_exported_once_and_other_bytes_are_another_model(run_folder, exports):
    with pytest.raises(WeightsError, match="interrupted"):
        find_weights(str(run_folder))
    first = find_weights(str(run_folder)).name  # what was half made is not taken for weights
    assert first.startswith(str(run_folder / "best" / "exported" / "fav-")) and len(exports) == 2
    for same in (run_folder / "best", run_folder / "best" / "model.safetensors"):
        assert find_weights(str(same)).name == first and len(exports) == 2
    (run_folder / "best" / "model.safetensors").write_bytes(b"two")
    assert find_weights(str(run_folder)).name != first and len(exports) == 3


def evaluated(weights, miniature, out, capsys):
    line = ["--weights", str(weights), "--manifest", str(miniature.root / "manifest.csv"), "--split", "val",
            "--resamples", "0", "--out", str(out)]  # fmt: skip
    assert evaluate.main(line) == 0
    return capsys.readouterr()


@pytest.fixture
def product(monkeypatch):
    stand_in_for_faces(monkeypatch)
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])


def test_the_model_just_trained_is_evaluated_by_its_folder(run_folder, exports, product, miniature, tmp_path, capsys):
    exports.append("not interrupted")
    out, err = evaluated(run_folder / "best", miniature, tmp_path / "o", capsys)
    assert "Weights: `fav-" in out and "| file | 2 / 6 |" in out
    assert "Model uncalibrated: figures at a threshold mean nothing" in out and "uncalibrated" in err


@pytest.mark.slow
def test_a_real_checkpoint_is_exported_and_evaluated(run_folder, product, miniature, tmp_path, capsys):
    require("train")
    from tiny_cad import tiny_small

    from cad.models import save_checkpoint

    save_checkpoint(tiny_small(), run_folder / "best" / "model.safetensors", {"trained_on": "nothing"})
    out, _ = evaluated(run_folder, miniature, tmp_path / "o", capsys)
    assert "Weights: `fav-" in out and "| file | 2 / 6 |" in out and "uncalibrated" in out


def test_an_onnx_file_by_itself(tiny_weights, product, miniature, tmp_path, capsys):
    # Beside its manifest it is the weights that the manifest names.
    assert find_weights(str(tiny_weights / "model.onnx")).name == str(tiny_weights)
    bare = tmp_path / "bare.onnx"
    bare.write_bytes((tiny_weights / "model.onnx").read_bytes())
    out, err = evaluated(bare, miniature, tmp_path / "o", capsys)
    assert "bare.onnx has no manifest.json beside it: its hash was not checked." in out and "hash" in err
    assert "| file | 2 / 6 |" in out and "uncalibrated" not in out


def test_the_ranking_of_an_uncalibrated_model_is_measured(product, miniature, tmp_path, capsys):
    weights = write_weights(tmp_path / "raw", tiny_onnx(tiny_spec(calibration={}, operating_points={})))
    evaluated(weights, miniature, tmp_path / "o", capsys)
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    auc = {view["name"]: view["measured"]["metrics"]["auc"]["value"] for view in report["parts"][0]["views"]}
    assert auc["video head"] == 1.0 and auc["file"] == 1.0
    # It abstains: nobody is called fake, and the answers say why.
    (part,) = report["parts"]
    assert part["coverage"]["answers"] == {"real": {"inconclusive": 2}, "fake": {"inconclusive": 6}}


def test_a_graph_that_says_nothing_of_itself_is_refused_in_a_line(tiny_weights, miniature, tmp_path, capsys):
    model = onnx.load(tiny_weights / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    line = ["--manifest", str(miniature.root / "manifest.csv"), "--split", "val"]
    assert evaluate.main([*line, "--weights", str(tmp_path / "foreign.onnx")]) == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("evaluate: ") and "cad.spec" in last


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
