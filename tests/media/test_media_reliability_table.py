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
