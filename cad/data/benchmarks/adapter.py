# SPDX-License-Identifier: Apache-2.0
"""``Adapter`` reads a published data set into rows; the checks shared by all: the right folder, a complete archive."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cad.data.manifest import Problem, Row
from cad.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
MEDIA_SUFFIXES = VIDEO_SUFFIXES + SOUND_SUFFIXES


@dataclass(frozen=True, slots=True)
class Scan:
    """What an adapter found: the usable rows, and everything that it could not use."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """The reader of one data set.

    Attributes:
        name: Its key in the registry.
        title: The data set's published name.
        landmarks: Glob patterns; a folder in which none matches is not the root of this set.
        entries: Reads the index under a root and yields all its rows and problems.
    """

    name: str
    title: str
    landmarks: tuple[str, ...]
    entries: Callable[[Path], Iterable[Row | Problem]]

    def scan(self, root: Path) -> Scan:
        """Return the rows whose files are under ``root``, and everything that could not be used.

        Raises:
            DataError: ``root`` is not this data set, its index cannot be read, or not one of its files is there.
        """
        self._check_root(root)
        indexed, problems = _first_rows(self.entries(root))
        present = [row for row in indexed if (root / row.path).exists()]
        if not present:
            raise DataError(
                f"{root}: the index of {self.title} names {len(indexed)} files and none of them is there, for "
                f"instance {[row.path for row in indexed[:2]]}; is the archive only half extracted?"
            )
        problems += [
            Problem("missing_file", path, "the index names it but it is not on disk")
            for path in sorted({row.path for row in indexed} - {row.path for row in present})
        ]
        return Scan(tuple(replace(row, dataset=row.dataset or self.name) for row in present), tuple(problems))

    def _check_root(self, root: Path) -> None:
        """Refuse another folder than this set's root, and say what was looked for and what is there."""
        if not root.is_dir():
            raise DataError(f"{root} is not a folder")
        if any(next(root.glob(pattern), None) is not None for pattern in self.landmarks):
            return
        found = sorted(path.name for path in root.iterdir())[:8]
        raise DataError(
            f"{root} does not look like the root of {self.title}: expected one of {list(self.landmarks)} in it, "
            f"found {found or 'nothing'}"
        )


def read_csv(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a CSV file with a header.

    Raises:
        DataError: It cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} lacks the column(s) {missing}; it has {reader.fieldnames}")
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_json_list(path: Path, row: Callable[[Mapping[str, Any]], Row]) -> Iterator[Row | Problem]:
    """Yield what ``row`` makes of each entry of a JSON list, or the problem of one that it cannot be made of.

    Raises:
        DataError: The file cannot be read.
    """
    for entry in read_json(path):
        try:
            yield row(entry)
        except (KeyError, TypeError, ValueError) as error:
            yield Problem("bad_entry", str(entry.get("file", "?")), f"{type(error).__name__}: {error}")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty, without blanks around them.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def media_under(folder: Path, root: Path, suffixes: tuple[str, ...] = MEDIA_SUFFIXES) -> list[str]:
    """Return the media files under ``folder``, relative to ``root``, in order; files that start with a dot are not."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def _first_rows(entries: Iterable[Row | Problem]) -> tuple[list[Row], list[Problem]]:
    """Return one row a path, and the problems with one more for each further row of a path."""
    kept: dict[str, Row] = {}
    problems, repeated = [], []
    for entry in entries:
        if isinstance(entry, Problem):
            problems.append(entry)
        elif (known := kept.setdefault(entry.path, entry)) is not entry:
            same = "alike" if known == entry else "with other labels; the first is used"
            repeated.append(Problem("duplicate_row", entry.path, f"the index has it twice, {same}"))
    return list(kept.values()), problems + repeated
