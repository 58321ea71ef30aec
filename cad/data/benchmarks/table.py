# SPDX-License-Identifier: Apache-2.0
"""The adapter of any set listed in a CSV file with the columns of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, one_of, rows_of
from cad.data.benchmarks.tree import Tree
from cad.data.manifest import LABEL_WORDS, Problem, Row, parse_segments

TABLES = ("manifest.csv", "labels.csv", "metadata.csv")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield the rows of ``manifest.csv`` (or ``labels.csv``, ``metadata.csv``) with at least path and label."""
    index = next(path for name in TABLES for path in tree.matching(name))
    yield from rows_of(csv_rows(tree.root / index, ("path", "label")), _row)


def _row(raw: Mapping[str, str]) -> Row:
    """Return the row of a line; columns that ``Row`` does not know are passed over."""
    values: dict[str, Any] = {"label": one_of(LABEL_WORDS, raw["label"].lower(), "label")}
    for field in fields(Row):
        text = raw.get(field.name, "")
        if text and field.name != "label":
            of_kind: Callable[[str], Any] = {"int": int, "float": float}.get(str(field.type), str)
            values[field.name] = parse_segments(text) if field.name.endswith("_segments") else of_kind(text)
    if "path" not in values:
        raise ValueError("the row has no path")
    return Row(**values)


ADAPTER = Adapter("table", "a set listed in a CSV file", TABLES, rows)
