# SPDX-License-Identifier: Apache-2.0
"""The bars, on the reports in the docs and on reports that were made worse by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pandas
import pytest
from tool_module import load_tool

from cad.metrics.bootstrap import Estimate

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "docs" / "evaluation"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("release/bars")


def test_a_bar_is_met_by_its_figure_from_the_right_side(tool: ModuleType) -> None:
    assert tool.Bar("AUC", Estimate(0.9, 0.8, 1.0), 0.9).is_met
    assert not tool.Bar("AUC", Estimate(0.899, 0.8, 1.0), 0.9).is_met
    assert tool.Bar("FPR", Estimate(0.05, 0.0, 0.1), 0.05, is_ceiling=True).is_met
    assert not tool.Bar("FPR", Estimate(float("nan"), 0.0, 0.1), 0.05, is_ceiling=True).is_met


def test_the_documented_table_is_that_of_the_documented_reports(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.main([str(REPORTS)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    documented = (REPORTS / "bars.md").read_text(encoding="utf-8")
    assert len(lines) > 20 and all(line in documented for line in lines)


def test_a_worse_report_misses_and_a_missing_one_is_named(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPORTS, tmp_path / "reports")
    path = tmp_path / "reports" / "reencoded" / "report.json"
    document = json.loads(path.read_text())
    for view in document["parts"][0]["views"]:
        view["measured"]["metrics"]["fpr"]["value"] = 0.2
    path.write_text(json.dumps(document))
    assert tool.main([str(tmp_path / "reports")]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "called fake, as they are" in line)
    assert "0.200" in line and "missed" in line
    path.unlink()
    assert tool.main([str(tmp_path / "reports")]) == 2
    assert "report.json" in capsys.readouterr().err


def test_reports_of_other_weights_are_refused(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPORTS, tmp_path / "reports")
    path = tmp_path / "reports" / "desync" / "report.json"
    path.write_text(path.read_text().replace("Weights: `", "Weights: `other "))
    assert tool.main([str(tmp_path / "reports")]) == 2
    assert "was measured with other " in capsys.readouterr().err


def test_the_fused_head_is_held_against_the_better_stream_of_each_kind(tool: ModuleType) -> None:
    rows = pandas.DataFrame(
        {"path": list("abcdefgh"), "label": [0, 0, 0, 0, 1, 1, 1, 1], "video_fake": 0, "audio_fake": [0] * 4 + [1] * 4}
    )
    scores = pandas.DataFrame(
        {"path": list("abcdefgh"), "logit_audio": [0, 1, 2, 3, 4, 5, 6, 7], "logit_video": [0, 1, 0, 1, 0, 1, 0, 1],
         "logit_fused": [0, 1, 2, 5, 4, 6, 7, 8]}
    )  # fmt: skip
    (bar,) = tool.by_kind(scores, rows)
    assert bar.figure.value == pytest.approx(1 / 16) and not bar.is_met
