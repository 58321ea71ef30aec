# SPDX-License-Identifier: Apache-2.0
"""``RunTable`` keeps a table of a run by step as CSV; a run that goes on from an earlier step writes no row twice."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cad.training.whole_files import written_beside


class RunTable:
    """Rows by optimizer step, each with any columns; the file is written as a whole.

    Args:
        path: The CSV file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[int, list[dict[str, Any]]] = {}

    def take_up_to(self, step: int) -> None:
        """Read the rows that the file has of steps up to ``step``: what comes after them is made anew."""
        self._rows = {}
        if step and self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    if int(row["step"]) <= step:
                        filled = {name: value for name, value in row.items() if name != "step" and value != ""}
                        self._rows.setdefault(int(row["step"]), []).append(filled)

    def put(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Set the rows of a step."""
        self._rows[step] = [dict(row) for row in rows]

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Set columns of the one row of a step."""
        self._rows.setdefault(step, [{}])[0].update(values)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        columns = list(dict.fromkeys(name for rows in self._rows.values() for row in rows for name in row))
        with written_beside(self._path) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["step", *columns], lineterminator="\n")
            writer.writeheader()
            for step in sorted(self._rows):
                writer.writerows({"step": step, **row} for row in self._rows[step])
