# SPDX-License-Identifier: Apache-2.0
"""The reliability tables are made of measured figures and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import reliability_table


def test_the_documents_hold_what_the_figures_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert reliability_table.main(["--check"]) == 0, capsys.readouterr().out


def test_what_stands_between_the_markers_is_replaced() -> None:
    document = f"before\n{reliability_table.START}\nold\n{reliability_table.END}\nafter\n"
    filled = reliability_table.fill(document, "| new |\n")
    assert filled == f"before\n{reliability_table.START}\n| new |\n{reliability_table.END}\nafter\n"
    with pytest.raises(ValueError, match="no <!--"):
        reliability_table.fill("nothing", "x")


def test_figures_that_are_absent_give_no_row() -> None:
    assert reliability_table.fuzz_rows({}) == reliability_table.memory_rows({}) == []
