# SPDX-License-Identifier: Apache-2.0
"""``Layout``: the miniature of a published set, its rows written by hand, and where it can go wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cad.data.manifest import Row


@dataclass(frozen=True)
class Malformed:
    """A piece of an index file replaced by what cannot be read, and what comes of it.

    Attributes:
        file: The index.
        old: Text in it.
        new: What stands there instead.
        place: The path that its problem has: file name and line, entry or name.
        lost: Paths of the rows that are lost.
        kind: The problem's kind.
    """

    file: str
    old: str
    new: str
    place: str
    lost: tuple[str, ...] = ()
    kind: str = "bad_row"


@dataclass(frozen=True)
class Layout:
    """One layout of one set.

    Attributes:
        name: Of the layout, for the test's name.
        adapter: Its key in the registry.
        make: Writes the tree below a folder.
        rows: What the tree's manifest must hold, written by hand; ``dataset`` is the adapter's name unless stated.
        problems: How many of each kind the whole tree has.
        exit: Exit code of the whole tree; one class alone makes it 1 by itself.
        missing: A clip with a row, which the test removes.
        missing_problems: What is told then, beside ``problems``; empty for sets without an index.
        extra: A clip without a row, which the test adds.
        extra_rows: Rows that it makes, in sets without an index.
        extra_problems: What is told of it, where it makes none.
        folder: A folder of clips whose name is written in the other case.
        half: A folder of clips that is not extracted.
        half_problems: What is told then, beside ``problems``; None where every row is lost and the tree is refused.
        malformed: Pieces of the index that cannot be read.
    """

    name: str
    adapter: str
    make: Callable[[Path], None]
    rows: tuple[Row, ...]
    missing: str
    extra: str
    folder: str
    half: str
    problems: Mapping[str, int] = field(default_factory=dict)
    exit: int = 0
    missing_problems: Mapping[str, int] = field(default_factory=lambda: {"missing_file": 1})
    extra_rows: tuple[Row, ...] = ()
    extra_problems: Mapping[str, int] = field(default_factory=lambda: {"file_without_row": 1})
    half_problems: Mapping[str, int] | None = field(default_factory=lambda: {"missing_file": 2, "missing_folder": 1})
    malformed: tuple[Malformed, ...] = ()


def touch(root: Path, *paths: str) -> None:
    """Write small files, each with bytes of its own, that are no media."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file with a line end behind each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_csv(path: Path, rows: Iterable[Sequence[object]], delimiter: str = ",") -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with an entry of a list, or a member of an object, on a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, list):
        text = "[\n" + ",\n".join(json.dumps(entry) for entry in value) + "\n]\n"
    else:
        text = "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items()) + "\n}\n"
    path.write_text(text, encoding="utf-8")
