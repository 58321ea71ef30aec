# SPDX-License-Identifier: Apache-2.0
"""Logits of left-out rows become scores that the calibration takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tool_module import load_tool

from cad.data.manifest import Row, frame_of, read_manifest, write_manifest
from cad.evaluation.scorelog import read_scores_of_others


@pytest.fixture
def given(tmp_path: Path) -> Path:
    rows = [
        Row("a.mp4", 1, video_fake=0, audio_fake=1, identity="a", source="page", split="val"),
        Row("b.wav", 1, audio_fake=1, identity="b", source="page", split="train"),
    ]
    write_manifest(frame_of(rows), tmp_path / "all.csv")
    stills = [
        Row("c.png", 1, video_fake=1, identity="c", source="stills"),
        Row("d.png", 0, identity="d", source="stills"),
    ]
    write_manifest(frame_of(stills), tmp_path / "stills.csv")
    (tmp_path / "left_out.csv").write_text(
        "path,source,audio_fake,face,logit_0,logit_1\nb.wav,page,1,0,1.0,3.0\na.mp4,page,1,1,9,9\n"
    )
    said = [{"path": "c.png", "still": 1, "large": 2.0}, {"path": "d.png", "still": 1, "large": -1.0},
            {"path": "a.mp4", "still": 0, "large": 5.0}]  # fmt: skip
    run = tmp_path / "run"
    run.mkdir()
    (run / "left_out.json").write_text(json.dumps({"rows": said}))
    (run / "metrics.json").write_text(json.dumps({"settled": {"centre": [1.0, 0.5], "spread": [2.0, 0.5]}}))
    return tmp_path


def words(folder: Path, *rows: Path) -> list[str]:
    options = {"--manifest": folder / "all.csv", "--voice": folder / "left_out.csv", "--picture": folder / "run",
               "-o": folder / "out"}  # fmt: skip
    listed = ["--rows", *map(str, rows)] if rows else []
    return [*(str(word) for pair in options.items() for word in pair), *listed]


def test_recordings_and_stills_get_scores_and_rows(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_tool("release/left_out_scores").main(words(given, given / "stills.csv")) == 0
    _, voice = read_scores_of_others(given / "out" / "voice.scores.jsonl")
    _, picture = read_scores_of_others(given / "out" / "picture.scores.jsonl")
    assert {path: dict(score.logit) for path, score in voice.items()} == {"b.wav": {"audio": 2.0}}
    # Centre and spread of the small judge, in place of the large one's.
    assert {path: score.logit["video"] for path, score in picture.items()} == {"c.png": 7.0, "d.png": -5.0}
    rows = {row.path: row for row in read_manifest(given / "out" / "rows.csv").records()}
    assert set(rows) == {"a.mp4", "b.wav", "c.png", "d.png"} and {row.split for row in rows.values()} == {"val"}
    assert (rows["c.png"].video_fake, rows["d.png"].video_fake, rows["d.png"].label) == (1, 0, 0)
    assert "voice: 1 rows" in capsys.readouterr().out


def test_a_row_that_no_manifest_has_is_named(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_tool("release/left_out_scores").main(words(given)) == 2
    assert "no manifest has c.png (2 such rows); name it with --rows" in capsys.readouterr().err


def test_what_is_no_run_is_said(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (given / "run" / "metrics.json").write_text("{}")
    assert load_tool("release/left_out_scores").main(words(given, given / "stills.csv")) == 2
    assert "is no run of fit_picture.py" in capsys.readouterr().err
