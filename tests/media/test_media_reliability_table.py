# SPDX-License-Identifier: Apache-2.0
"""The reliability tables are made of measured figures and nothing else."""

from __future__ import annotations

import pytest
from tool_module import load_tool

reliability_table = load_tool("release/reliability_table")


def test_the_documents_hold_what_the_figures_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert reliability_table.main(["--check"]) == 0, capsys.readouterr().out


def test_figures_that_are_absent_give_no_row() -> None:
    assert reliability_table.rows_of("fuzz", {}) == []
    assert reliability_table.table(reliability_table.rows_of("faces", {"share_of_decoding": 0.4, "bar": 0.5})) == (
        "| what | measured | by |\n|---|---|---|\n| finding and following faces, against decoding the same file | "
        "0.40 times the processor time (bar 0.5) | `tools/bench.py faces` |"
    )


def test_a_long_sound_without_a_verdict_is_told_as_such() -> None:
    row = {"hours": 0.5, "file_kib": 7, "speech_share": None, "windows": 0, "parent_mib": 200, "child_mib": 60}
    row |= {"processor_seconds": 3.4, "wall_seconds": 10.2, "load_average": 9.6, "label": None, "outcome": "timeout"}
    *_, line = reliability_table.long_sound_table({"kinds": {"talk": row}}).splitlines()
    assert line == "| talk | 0.5 | 7 |  | 0 | 200 | 60 | 3 | 10 (10) | no verdict, timeout |"
