# SPDX-License-Identifier: Apache-2.0
"""tools/evaluate.py on what another detector left: its scores by part, its proposals; rows by filter; the formats."""

from __future__ import annotations

import csv
import io
import json

import pandas
import pytest
from test_evaluation_groups import fakeavceleb
from tool_module import load_tool

from cad.data.manifest import Row, frame_of, write_manifest

evaluate = load_tool("evaluate")


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr("cad.evaluation.writing.figures.save_figures", lambda *_: [])
    monkeypatch.setattr("cad.evaluation.writing.figures.save_part_bars", lambda *_: [])


@pytest.fixture
def fav(tmp_path):
    """A manifest without clips: foreign scores need none."""
    write_manifest(frame_of(fakeavceleb(10, people=5)), tmp_path / "fav.csv")
    return tmp_path / "fav.csv"


def write_scores(path, rows, score):
    frame = frame_of(rows)
    frame.assign(score=[score(row) for row in rows])[["path", "score"]].to_csv(path, index=False)
    return path


def knows_all_but(*methods):
    return lambda row: 0.9 if row.label and row.method not in methods else 0.1


def run(capsys, *line, code=0):
    assert evaluate.main([*map(str, line), "--resamples", "0"]) == code
    return capsys.readouterr()


def figures(text, table="file", column="AUC"):
    lines = csv.DictReader(io.StringIO(text))
    return {row["line"]: row["value"] for row in lines if (row["table"], row["column"]) == (table, column)}


def test_one_manipulation_left_out_with_the_scores_of_another_model(fav, tmp_path, capsys):
    rows = fakeavceleb(10, people=5)
    everything = write_scores(tmp_path / "theirs.csv", rows, knows_all_but())
    without = write_scores(tmp_path / "without.csv", rows, knows_all_but("rtvc"))
    line = ["--protocol", "fakeavceleb_leave_one_out", "--manifest", fav, "--format", "csv", "--out", tmp_path / "o"]
    out, err = run(capsys, *line, "--scores", everything, "--scores", f"RVFA={without}")
    assert figures(out) == {
        "RVFA": "0.500000", "FVRA-WL": "1.000000", "FVFA-FS": "1.000000", "FVFA-GAN": "1.000000",
        "FVFA-WL": "1.000000",
    }  # fmt: skip
    assert set(figures(out, column="real / fake").values()) == {"10 / 10"}
    # Every figure stands in the one table.
    assert figures(out, column="minDCF") == {**dict.fromkeys(figures(out), "0.000000"), "RVFA": "1.000000"}
    assert figures(out, column="accuracy at 0.5")["RVFA"] == "0.500000"
    assert "score_without_row" not in out + err and "missing_file" not in err
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert any("Scores: theirs.csv, RVFA=without.csv" in fact for fact in report["facts"])
    assert any("AVFF (arXiv 2406.02951)" in fact for fact in report["facts"])
    assert (tmp_path / "o" / "report.csv").read_text() == out
    assert r"\toprule" in (tmp_path / "o" / "report.tex").read_text()


def test_folds_and_conditions_with_foreign_scores(fav, tmp_path, capsys):
    scores = write_scores(tmp_path / "s.csv", fakeavceleb(10, people=5), knows_all_but("wav2lip"))
    line = ["--manifest", fav, "--scores", scores, "--format", "csv", "--out", tmp_path / "o"]
    out, _ = run(capsys, "--protocol", "fakeavceleb_folds", *line)
    assert list(figures(out)) == [f"fold {number}" for number in range(1, 6)]
    out, _ = run(capsys, "--protocol", "fakeavceleb_identity", *line)
    assert figures(out, "file, by group")["FVRA-WL"] == "0.500000"
    assert figures(out, "file, by group")["AVG-FV"] == "0.750000"
    assert "Parts: as_is; rewritten, trimmed have no scores." in (tmp_path / "o" / "report.md").read_text()
    out, _ = run(capsys, "--protocol", "fakeavceleb_identity", *line, "--scores", f"trimmed={scores}")
    assert list(figures(out)) == ["as_is", "trimmed"]
    assert figures(out, "trimmed: file, by group")["FVFA-FS"] == "1.000000"


def test_scores_that_cannot_stand_for_the_parts(fav, tmp_path, capsys):
    scores = write_scores(tmp_path / "s.csv", fakeavceleb(10), knows_all_but())
    line = ["--manifest", fav, "--out", tmp_path / "o"]
    err = run(capsys, *line, "--protocol", "robustness", "--split", "test", "--scores", scores, code=2).err
    assert "robustness makes the clips that it scores" in err
    err = run(capsys, *line, "--protocol", "fakeavceleb_identity", "--scores", f"trimed={scores}", code=2).err
    assert "--scores names trimed; parts of fakeavceleb_identity are as_is, rewritten, trimmed" in err
    err = run(capsys, *line, "--scores", scores, "--scores", scores, code=2).err
    assert "twice" in err
    err = run(capsys, *line, "--scores", scores, "--proposals", scores, code=2).err
    assert "one at a time" in err and err.count("\n") == 1
    assert "in place of a model" in run(capsys, *line, "--scores", scores, "--weights", "x", code=2).err
    assert "--threshold is for --scores" in run(capsys, *line, "--threshold", "0.4", code=2).err
    assert "two manifests are called fav" in run(capsys, *line, "--manifest", fav, "--scores", scores, code=2).err


def test_rows_by_filter(fav, tmp_path, capsys):
    scores = write_scores(tmp_path / "s.csv", fakeavceleb(10, people=5), knows_all_but("wav2lip"))
    line = ["--manifest", fav, "--scores", scores, "--format", "csv", "--out", tmp_path / "o"]
    out, err = run(capsys, *line, "--where", "method=wav2lip,real")
    assert figures(out, "Streams")["file"] == "0.500000"
    assert figures(out, "Streams", "real / fake")["file"] == "10 / 20" and "score_without_row" not in out + err
    assert "Only rows with method=wav2lip,real." in (tmp_path / "o" / "report.md").read_text()
    out, _ = run(capsys, *line, "--where", "method=wav2lip,real", "--where", "group=FVFA-WL,RVRA")
    assert figures(out, "Streams", "real / fake")["file"] == "10 / 10"
    err = run(capsys, *line, "--where", "category=c23", code=2).err
    assert err.startswith("evaluate: fav has no row with category 'c23'; it has ") and err.count("\n") == 1
    err = run(capsys, *line, "--where", "method=wav2lip", code=2).err
    assert "one_class" in err


LAVDF = [
    Row(f"test/{i}.mp4", int(bool(stretches)), int(bool(stretches)), 0, "video" if stretches else "real",
        "video" if stretches else "real", dataset="lavdf", split="test", fake_segments=stretches, duration_seconds=8.0)
    for i, stretches in enumerate([((1.0, 2.0),), (), ((0.4, 0.8), (4.0, 6.0))])
]  # fmt: skip


def test_proposals_of_another_detector(tmp_path, capsys):
    write_manifest(frame_of(LAVDF), tmp_path / "lavdf.csv")
    theirs = {"test/0.mp4": [[0.9, 25, 50], [0.2, 0, 10]], "test/1.mp4": [[0.8, 0, 100]],
              "test/2.mp4": [[0.7, 10, 20], [0.6, 100, 137.5]]}  # fmt: skip
    (tmp_path / "theirs.json").write_text(json.dumps(theirs))
    line = ["--manifest", tmp_path / "lavdf.csv", "--proposals", tmp_path / "theirs.json", "--format", "csv"]
    out, _ = run(capsys, *line, "--protocol", "localisation_lavdf", "--out", tmp_path / "o")
    # Hit, false alarm on a genuine clip, hit, hit (overlap .75, not above it), miss: the first step is left out.
    part = "all rows"
    assert float(figures(out, "Localisation", "AP@0.5")[part]) == pytest.approx(2 / 3 * 0.75, abs=1e-6)
    assert float(figures(out, "Localisation", "AP@0.95")[part]) == pytest.approx(1 / 3 * 2 / 3, abs=1e-6)
    assert float(figures(out, "Localisation", "AR@5")[part]) == pytest.approx((10 + 10 + 5) / 30, abs=1e-6)
    assert figures(out, "Localisation", "true stretches") == {part: "3"} and "score" not in out
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert report["parts"][0]["localisation"]["AR@100"]["value"] == pytest.approx(25 / 30, abs=1e-6)
    assert any("frames at 25 Hz" in fact for fact in report["facts"])
    # As AV-Deepfake1M's they would be seconds, which is doubted; --proposals-fps sets it right, and there is a score.
    out, err = run(capsys, *line, "--out", tmp_path / "s")
    assert "are their times seconds?" in err
    out, err = run(capsys, *line, "--proposals-fps", "25", "--out", tmp_path / "s")
    assert "are their times" not in err and 0 < float(figures(out, "Localisation", "score")[part]) < 1
    err = run(capsys, *line, "--protocol", "manifest", "--out", tmp_path / "x", code=2).err
    assert "measured by a protocol of localisation, which manifest is not" in err
    assert "must be above 0" in run(capsys, *line, "--proposals-fps", "0", code=2).err


def test_only_forged_files_can_be_localised(tmp_path, capsys):
    write_manifest(frame_of([row for row in LAVDF if row.label]), tmp_path / "lavdf.csv")
    (tmp_path / "p.json").write_text(json.dumps({"0.mp4": [[0.9, 1.0, 2.0]]}))
    line = ["--manifest", tmp_path / "lavdf.csv", "--proposals", tmp_path / "p.json", "--out", tmp_path / "o"]
    out, err = run(capsys, *line)
    assert "| all rows | 0 / 2 | 3 | 1 |" in out and "row_without_proposals" in err


def test_scores_of_several_sets_are_a_row_each(fav, tmp_path, capsys):
    write_manifest(frame_of(LAVDF), tmp_path / "lavdf.csv")
    rows = [*fakeavceleb(10, people=5), *LAVDF]
    scores = write_scores(tmp_path / "s.csv", rows, knows_all_but("video"))
    line = ["--manifest", fav, "--manifest", f"LAV={tmp_path / 'lavdf.csv'}", "--scores", scores]
    out, _ = run(capsys, *line, "--protocol", "cross_dataset", "--format", "csv", "--out", tmp_path / "o")
    assert figures(out) == {"fav: all rows": "1.000000", "LAV: all rows": "0.500000"}
    assert pandas.read_csv(tmp_path / "o" / "report.csv").shape[1] == 6
