# SPDX-License-Identifier: Apache-2.0
"""docs/embedding.md: its numbers are those of the package, its list of stages that of the reference vectors."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agreement import EMBED, LEFT_OUT, ROOT
from requirements import needs

from cad.verdict.reasons import TABLE

TEXT = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")


def test_the_constants_are_those_of_the_package():
    from cad.export.embedding.constants import table_text

    between = TEXT.partition("<!-- constants:start -->\n")[2].partition("<!-- constants:end -->")[0]
    assert between == table_text(), "python -m cad.export.embedding.constants prints the table"


def test_every_constant_that_the_text_names_is_in_the_kit():
    from cad.export.embedding.constants import constants

    known = {name for values in constants().values() for name in values}
    prose = re.sub(r"<!-- constants:start -->.*<!-- constants:end -->", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", prose)) - {"INTER_AREA", "CAD_TENSORRT_CACHE"}
    assert named and named <= known


def test_the_points_of_the_template_are_those_of_the_package():
    from cad.faces.records import CANONICAL_POINTS_PX

    row = next(line for line in TEXT.splitlines() if line.startswith("| x, y |"))
    listed = [tuple(map(float, pair.split(","))) for pair in row.strip("| ").split("|")[1:]]
    assert listed == [tuple(round(float(one), 1) for one in point) for point in CANONICAL_POINTS_PX]


def test_every_reason_of_the_product_is_listed_or_left_out():
    about_reading = {row.code for row in TABLE if row.is_about_reading}
    listed = set(re.findall(r"`(\w+)`", TEXT.partition("## Abstention")[2].partition("## What the")[0]))
    codes = {row.code for row in TABLE}
    assert codes - about_reading <= listed | LEFT_OUT
    assert {code for code in listed if code.endswith(("_evidence", "_alone", "_short", "_head"))} <= codes


@needs("train", "weights")
def test_every_stage_is_listed_and_tested_by_the_program(kit: Path):
    document = json.loads((kit / "reference.json").read_text())
    stages = {case["stage"] for case in document["cases"]}
    listed = TEXT.partition("## Reference vectors")[2].partition("## Is this")[0]
    assert all(f"`{stage}`" in listed for stage in stages)
    program = (EMBED / "python" / "selftest.py").read_text()
    assert all(f'"{stage}"' in program for stage in stages)
