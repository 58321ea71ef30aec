# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pandas
import pytest

from cad.evaluation.offsets import TRUE_OFFSET, offset_figures
from cad.evaluation.records import FileScore


def rows(*true: float) -> pandas.DataFrame:
    return pandas.DataFrame({TRUE_OFFSET: true, "identity": [f"person {i}" for i in range(len(true))]})


def said(*offsets: float | None) -> list[FileScore]:
    return [FileScore(f"{i}", "real", offset_seconds=offset) for i, offset in enumerate(offsets)]


def test_only_moved_clips_count_and_no_estimate_is_a_wrong_one():
    true = rows(0.0, -0.4, 0.4, 0.2, 0.6, math.nan)
    figures = offset_figures(true, said(0.9, -0.32, 0.5, None, 0.6, 0.1), resamples=50, seed=0)
    assert figures["within 80 ms"].value == pytest.approx(2 / 4)  # -.32 is just within, .5 is not
    assert figures["median error in seconds"].value == pytest.approx(0.08)
    assert 0 <= figures["within 80 ms"].low <= figures["within 80 ms"].high <= 1


def test_rows_that_were_not_moved_have_no_such_figures():
    assert offset_figures(rows(0.0, math.nan), said(0.0, 0.1), 10, 0) == {}
    assert offset_figures(pandas.DataFrame({"identity": ["a"]}), said(0.0), 10, 0) == {}


def test_the_estimate_outlives_the_log():
    (score,) = said(-0.25)
    assert FileScore.from_json(score.to_json()).offset_seconds == -0.25
    older = {name: value for name, value in score.to_json().items() if name != "offset_seconds"}
    assert FileScore.from_json(older).offset_seconds is None
    assert score.to_row()["offset_seconds"] == -0.25
