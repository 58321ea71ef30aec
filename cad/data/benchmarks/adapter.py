# SPDX-License-Identifier: Apache-2.0
"""``Adapter`` reads a published data set into rows, and holds what its index says against what is on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cad.data.benchmarks.tree import ARCHIVE_SUFFIXES, MEDIA_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

#: A folder is called missing when so many of its files are and no other is there; else each file is named alone.
FOLDER_FILES = 2


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
        landmarks: Patterns (see ``Tree.matching``); a folder in which none matches is not the root of this set.
        entries: Reads the index of a tree and yields all its rows and problems. A row's path may differ in case from
            the disk's, and may be a folder (of frames).
        media: Suffixes of the set's clips; such a file without a row is a problem.
        splits_share_people: Whether people stand in several of the official splits: no error then, but worth a word.
    """

    name: str
    title: str
    landmarks: tuple[str, ...]
    entries: Callable[[Tree], Iterable[Row | Problem]]
    media: tuple[str, ...] = MEDIA_SUFFIXES
    splits_share_people: bool = False

    def scan(self, root: Path) -> Scan:
        """Return the rows whose files are under ``root``, and everything that could not be used.

        Raises:
            DataError: ``root`` is not this data set, its index cannot be read, or not one of its files is there.
        """
        tree = Tree(root)
        self._check_root(tree)
        problems = list(tree.problems)
        present: dict[str, Row] = {}
        absent: dict[str, Row] = {}
        repeated = []
        for entry in self.entries(tree):
            if isinstance(entry, Problem):
                problems.append(entry)
                continue
            found = tree.find(entry.path)
            row = replace(entry, path=found or entry.path, dataset=entry.dataset or self.name)
            known = (absent if found is None else present).setdefault(row.path, row)
            if known is not row:
                same = "alike" if known == row else "and not alike; the first is used"
                repeated.append(Problem("duplicate_row", row.path, f"the index has it twice, {same}"))
        if not present:
            raise DataError(self._nothing_found(root, list(absent), problems))
        problems += [*repeated, *_missing(absent, present)]
        problems += self._without_row(tree, present, {problem.path for problem in problems})
        return Scan(tuple(present.values()), tuple(problems))

    def _check_root(self, tree: Tree) -> None:
        """Refuse another folder than this set's root, and say what was looked for, what is there and what may help."""
        if any(tree.matching(pattern) for pattern in self.landmarks):
            return
        top = sorted(path for path in (*tree.folders, *tree.files) if "/" not in path)
        text = (
            f"{tree.root} does not look like the root of {self.title}: expected one of {list(self.landmarks)} in it, "
            f"found {top[:8] or 'nothing'}"
        )
        for pattern in self.landmarks:
            for path in tree.matching(f"*/{pattern}"):
                inner = "/".join(path.split("/")[: -1 - pattern.rstrip("/").count("/")])
                raise DataError(f"{text}; {inner}/ in it does: --root {tree.root / inner}")
        if archives := [path for path in top if path.lower().endswith(ARCHIVE_SUFFIXES)]:
            text += f"; extract the archives first ({', '.join(archives[:4])})"
        raise DataError(text)

    def _nothing_found(self, root: Path, absent: list[str], problems: list[Problem]) -> str:
        said = f"; {len(problems)} problems, the first: {problems[0].path}: {problems[0].text}" if problems else ""
        if not absent:
            return f"{root}: no clip of {self.title} was found{said}"
        return (
            f"{root}: the index of {self.title} names {len(absent)} files and none of them is there, for instance "
            f"{absent[:2]}; is the archive only half extracted?{said}"
        )

    def _without_row(self, tree: Tree, rows: Iterable[str], named: set[str]) -> Iterator[Problem]:
        """Yield the clips on disk that neither a row nor a problem names; those in a row's folder belong to it."""
        known = named.union(rows)
        for path in tree.under("", self.media):
            if path not in known and path.rpartition("/")[0] not in known:
                yield Problem("file_without_row", path, "is on disk but has no usable row in the index")


def _missing(absent: Iterable[str], present: Iterable[str]) -> Iterator[Problem]:
    """Yield each missing file, and before them each topmost folder in which nothing of the index is there."""
    absent = sorted(absent)
    filled = {folder for path in present for folder in _folders(path)}
    empty: Counter[str] = Counter()
    for path in absent:
        if top := next((folder for folder in _folders(path) if folder not in filled), ""):
            empty[top] += 1
    for folder, number in empty.items():
        if number >= FOLDER_FILES:
            text = f"none of the {number} files that the index names in it is there; is it not extracted?"
            yield Problem("missing_folder", f"{folder}/", text)
    for path in absent:
        yield Problem("missing_file", path, "the index names it but it is not on disk")


def _folders(path: str) -> Iterator[str]:
    """Yield the folders above ``path``, the topmost first."""
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)
