# SPDX-License-Identifier: Apache-2.0
"""The card of a detector says what its files say, counted and not typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from requirements import needs
from tool_module import load_tool

MANIFEST = """\
path,label,video_fake,audio_fake,method,identity,pair_id,source,dataset,licence,split
a.mp4,real,0,0,real,ann,1,page,Corpus,CC BY 4.0,train
b.mp4,fake,1,0,swap,ann,1,page,Corpus,CC BY 4.0,train
c.mp4,fake,1,0,lips,ben,2,page,Corpus,CC BY 4.0,train
d.flac,real,-1,0,real,eve,3,voices,,,train
e.mp4,real,0,0,real,dan,4,page,Corpus,CC BY 4.0,val
"""


@pytest.fixture
def weights(tiny_weights: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_weights, tmp_path / "tiny"))


@needs("train")
def test_a_card_counts_the_data_and_reads_the_weights(weights: Path, tmp_path: Path) -> None:
    manifest, report = tmp_path / "m.csv", tmp_path / "report"
    manifest.write_text(MANIFEST)
    report.mkdir()
    (report / "report.md").write_text("# Figures\n\n| AUC | 0.9 |\n")
    main = load_tool("release/make_card").main
    assert main([str(weights), "--manifest", str(manifest), "--report", f"val={report}"]) == 0
    card = (weights / "CARD.md").read_text()
    assert "| Corpus | CC BY 4.0 | 1 | 2 | 2 | 2 |" in card
    assert "| voices | not stated | 1 | 0 | 1 | 0 |" in card
    assert "learnt from 1 people" in card and "| fused | 0.600 | 0.400 |" in card
    assert "## Figures: val" in card and "## Figures\n" in card and "| AUC | 0.9 |" in card


@needs("train")
def test_what_is_missing_is_one_line(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = load_tool("release/make_card").main
    assert main([str(weights), "--manifest", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err and not (weights / "CARD.md").exists()
