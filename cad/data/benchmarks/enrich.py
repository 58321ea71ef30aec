# SPDX-License-Identifier: Apache-2.0
"""``enriched`` completes the rows of an index from their files; ``with_splits`` gives them the splits of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av

from cad.data.benchmarks.index_files import csv_rows
from cad.data.checks import file_sha256
from cad.data.manifest import Problem, Row
from cad.errors import DataError

#: Rows that are read ahead of the one that is asked for.
BATCH = 256


def probe(file: Path) -> tuple[float, float]:
    """Return duration in seconds and frames a second (-1 without picture) as the container states them.

    Raises:
        DataError: The file cannot be opened, or has neither picture nor sound (any bytes open as FLAC).
    """
    try:
        with av.open(str(file)) as container:
            duration = container.duration / av.time_base if container.duration else -1.0
            video = next(iter(container.streams.video), None)
            if video is None and not any(stream.rate for stream in container.streams.audio):
                raise DataError("has neither picture nor sound")
            rate = video.average_rate if video is not None else None
            return float(duration), float(rate) if rate else -1.0
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"cannot be opened: {error}") from error


def enriched(
    rows: Iterable[Row], root: Path, *, hashes: bool, durations: bool, report: Callable[[Problem], None]
) -> Iterator[Row]:
    """Yield rows, in order, with what their files say; a file that cannot be read keeps its row and is reported.

    Files are read in threads, since a set of a million files is bound by its disk or network.

    Args:
        rows: To complete.
        root: Folder that their paths are relative to.
        hashes: Hash every file that has no hash yet.
        durations: Open every file whose duration or frame rate is not known.
        report: Told of every problem.
    """
    if not (hashes or durations):
        yield from rows
        return
    rows = iter(rows)
    pool = ThreadPoolExecutor()
    try:
        while batch := list(islice(rows, BATCH)):
            for row, problem in pool.map(lambda row: _enriched(row, root, hashes, durations), batch):
                if problem is not None:
                    report(problem)
                yield row
    finally:
        # After an interruption nothing that still waits is begun.
        pool.shutdown(cancel_futures=True)


def _enriched(row: Row, root: Path, hashes: bool, durations: bool) -> tuple[Row, Problem | None]:
    file = root / row.path
    try:
        if hashes and not row.sha256:
            row = replace(row, sha256=file_sha256(file))
        if durations and file.is_file() and (row.duration_seconds < 0 or row.fps < 0):
            seconds, fps = probe(file)
            known = row.duration_seconds if row.duration_seconds >= 0 else seconds
            row = replace(row, duration_seconds=known, fps=row.fps if row.fps >= 0 else fps)
    except (DataError, OSError) as error:
        return row, Problem("unreadable", row.path, str(error))
    return row, None


def identity_splits(path: Path) -> dict[str, str]:
    """Return the split of each identity from a CSV file with the columns identity and split.

    Raises:
        DataError: The file is no such list, a line of it is malformed, or an identity is in two splits.
    """
    found: dict[str, str] = {}
    for entry in csv_rows(path, ("identity", "split")):
        if isinstance(entry, Problem):
            raise DataError(f"{entry.path}: {entry.text}")
        raw = entry[1]
        if found.setdefault(raw["identity"], raw["split"]) != raw["split"]:
            raise DataError(f"{path}: identity {raw['identity']} is in {found[raw['identity']]} and {raw['split']}")
    return found


def with_splits(rows: Iterable[Row], splits: Mapping[str, str], report: Callable[[Problem], None]) -> Iterator[Row]:
    """Yield rows with the split of their identity; one that the list lacks gets no split and is reported."""
    for row in rows:
        split = splits.get(row.identity, "")
        if not split:
            report(Problem("identity_without_split", row.path, f"{row.identity} is not in the list of splits"))
        yield replace(row, split=split)
