# SPDX-License-Identifier: Apache-2.0
"""A paper's table is one command: models of several kinds by sets, paired tests, and one line for each mistake."""

from __future__ import annotations

import csv
import json

import pandas
import pytest
from made_media import stand_in_for_faces
from miniature import write_set
from tiny_model import tiny_onnx, tiny_spec, write_weights
from tool_module import load_tool

from cad.data.manifest import read_manifest
from cad.evaluation.paired_tables import paired_tables

compare = load_tool("compare")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two miniatures; the second has no clips of faces."""
    return [write_set(tmp_path_factory.mktemp("one")), write_set(tmp_path_factory.mktemp("two"), people=0, speech=6)]


@pytest.fixture
def line(sets, tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    # Sees only the picture, and was never calibrated.
    spec = tiny_spec(calibration={}, operating_points={}, heads=("video",))
    blind = write_weights(tmp_path / "sees", tiny_onnx(spec))
    scores = read_manifest(sets[0]).rows[["path", "label"]].rename(columns={"label": "score"})
    scores = scores[scores["path"].str.startswith("av/")]
    scores.assign(score=1.0 - scores["score"]).to_csv(tmp_path / "wrong.csv", index=False)
    models = [str(tiny_weights), f"sees={blind}", str(tmp_path / "wrong.csv")]
    return ["--models", *models, "--sets", f"clips={sets[0]}", f"speech={sets[1]}", "--split", "val",
            "--resamples", "30", "--out", str(tmp_path / "out")]  # fmt: skip


def table(text: str, title: str) -> dict[str, list[str]]:
    part = text.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [row.strip("| ").split(" | ") for row in part.splitlines() if row.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_models_by_sets_in_one_command(line, tmp_path, capsys, monkeypatch):
    assert compare.main(line) == 0
    out, err = capsys.readouterr()
    auc = table(out, "AUC")
    assert auc["model"] == ["clips", "speech", "mean"]
    assert auc["tiny"][0].startswith("1.000") and auc["tiny"][1].startswith("1.000")
    # It cannot hear: forged voices look genuine to it, and sound alone gives it nothing to say.
    assert 0.5 < float(auc["sees"][0].split()[0]) < 1.0 and auc["sees"][1] == "-"
    assert auc["wrong"][0].startswith("0.000") and auc["wrong"][1] == "-"
    assert "wrong.csv has no row of speech" in err and "uncalibrated" in out
    tested = table(out, "AUC: tiny minus the others")
    assert tested["wrong"][0].startswith("1.000") and tested["wrong"][2:] == ["-", "-"]
    assert 0.0 <= float(tested["sees"][1]) <= 1.0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"table.md", "table.csv", "table.tex", "table.json", "scores"}
    assert (tmp_path / "out" / "table.md").read_text() == out
    assert len(json.loads((tmp_path / "out" / "table.json").read_text())) == 5

    def fail(*args, **kwargs):
        raise AssertionError("what was scored is scored again")

    monkeypatch.setattr("cad.evaluation.detector_scorer.DetectorScorer.score", fail)
    assert compare.main([*line, "--format", "csv"]) == 0
    again, _ = capsys.readouterr()
    rows = list(csv.DictReader(again.splitlines()))
    assert {"table", "line", "column", "value", "low", "high"} == rows[0].keys()
    assert any(row["table"] == "EER" and row["line"] == "tiny" and float(row["value"]) == 0.0 for row in rows)


def test_mistakes_are_one_line(line, sets, tmp_path, capsys):
    def fails(words, code, *arguments):
        assert compare.main(list(arguments)) == code
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("compare: ") and words in last, last

    one, model = f"clips={sets[0]}", line[1]
    fails("go together", 2, "--models", model)
    fails("give either", 2)
    fails("give either", 2, f"a={tmp_path / 'wrong.csv'}", "--models", model, "--sets", one)
    fails("on the rows of --manifest", 2, f"a={tmp_path / 'wrong.csv'}")
    fails("two of --models are called 'tiny'", 2, "--models", model, model, "--sets", one)
    fails("must be NAME=PATH", 2, "--models", "a=", "--sets", one)
    fails("there are no weights called", 4, "--models", "runs/nowhere", "--sets", one, "--split", "val")
    fails("there is no score file", 2, "--models", model, "x=nowhere.csv", "--sets", one, "--split", "val")
    fails("nowhere.parquet", 2, "--models", model, "--sets", "nowhere.parquet")
    fails("no row has split 'dev'", 2, "--models", model, "--sets", one, "--split", "dev")
    fails("did you mean", 2, "--models", model, "--sets", one, "--protocol", "localisatio")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("runs/fav", "fav"),
        ("runs/fav/best", "fav"),
        ("runs/fav/best/model.safetensors", "fav"),
        ("cad_small_2", "cad_small_2"),
    ],
)
def test_a_model_is_called_after_its_run(tmp_path, monkeypatch, path, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "fav" / "best").mkdir(parents=True)
    (tmp_path / "runs" / "fav" / "best" / "model.safetensors").touch()
    assert compare.model_name(path) == name


def test_pairs_are_tested_on_the_rows_that_both_scored():
    rows = pandas.DataFrame({
        "path": list("abcdef"), "label": [0, 0, 0, 1, 1, 1], "identity": list("uvwxyz"),
    })  # fmt: skip
    good = rows.assign(p_file=[0.1, 0.2, 0.3, 0.7, 0.8, float("nan")])
    bad = rows.assign(p_file=[0.9, 0.8, float("nan"), 0.2, 0.1, 0.3])
    auc, _ = paired_tables({"s": {"good": good, "bad": bad}, "t": {"good": good}}, resamples=200)
    ((name, difference, p_value, *rest),) = auc.lines
    assert name == "bad" and difference.value == 1.0 and float(p_value) < 0.05 and rest == ["-", "-"]
    assert paired_tables({"s": {"good": good}}) == [] and paired_tables({"s": {"a": good, "b": bad}}, resamples=0) == []
