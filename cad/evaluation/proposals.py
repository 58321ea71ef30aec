# SPDX-License-Identifier: Apache-2.0
"""Reads the stretches that another detector proposes in the format of LAV-DF and AV-Deepfake1M, for --proposals.

Both write one JSON object: by file a list of [score, start, stop], the highest score first. LAV-DF counts frames at 25
Hz, AV-Deepfake1M seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.data.manifest import Problem, parse_segments
from cad.errors import DataError
from cad.evaluation.localisation import Definition, Proposals

if TYPE_CHECKING:
    import pandas as pd

Stretches = Sequence[tuple[float, float, float]]
#: A stretch may end this many times later than its clip before the unit of time is doubted.
FAR_BEYOND = 2.0


@dataclass(frozen=True, slots=True)
class JoinedProposals:
    """Proposals beside the rows of a manifest.

    Attributes:
        files: One a row; a row without an entry has no proposals.
        problems: What did not fit.
        notes: What a person should know, a line each.
    """

    files: Sequence[Proposals]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def read_proposals(path: Path) -> dict[str, Stretches]:
    """Return the proposals in a file, by the name that it gives each clip: score, start, stop, in its own unit.

    Raises:
        DataError: The file is missing, is not such JSON, or has an entry that is no [score, start, stop] with numbers
            and a stop behind the start; the message names the entry.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path} must hold an object: by file a list of [score, start, stop]")
    return {str(name): [_stretch(path, str(name), item) for item in _items(path, name, raw[name])] for name in raw}


def join_proposals(
    rows: pd.DataFrame, proposals: Mapping[str, Stretches], definition: Definition, known: Collection[str] = ()
) -> JoinedProposals:
    """Put proposals beside the rows of a manifest.

    A file is known by its path, or by the end of it where all of them lie under one folder of the manifest, such as
    ``val/``.

    Args:
        rows: Of a manifest.
        proposals: By file.
        definition: Gives the unit of time.
        known: Paths of rows that are not measured, whose proposals are no problem.

    Raises:
        DataError: No proposal belongs to any row.
    """
    paths = [str(path) for path in rows["path"]]
    folder = _folder_of(proposals, [*paths, *known])
    by_path = {folder + name: stretches for name, stretches in proposals.items()}
    if not by_path.keys() & set(paths):
        raise DataError(
            f"none of the {len(proposals)} files with proposals is in the manifest; it has paths like "
            f"{sorted(paths)[:3]}, the proposals like {sorted(proposals)[:3]}"
        )
    files = [
        Proposals.as_given(by_path.get(path, ()), parse_segments(text), definition.units_per_second)
        for path, text in zip(paths, rows["fake_segments"], strict=True)
    ]
    silent = [path for path in paths if path not in by_path]
    strange = sorted(by_path.keys() - set(paths) - set(known))
    problems = (
        *(Problem("row_without_proposals", path, "in the manifest, but the file does not name it") for path in silent),
        *(Problem("proposals_without_row", path, "has proposals but is not in the manifest") for path in strange),
    )
    return JoinedProposals(files, problems, tuple(_notes(rows, files, definition)))


def _items(path: Path, name: object, value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise DataError(f"{path}: {name!r} must have a list of [score, start, stop], not {str(value)[:40]!r}")
    return value


def _stretch(path: Path, name: str, item: Any) -> tuple[float, float, float]:
    try:
        score, start, stop = (float(number) for number in item)
    except (TypeError, ValueError):
        score = start = stop = math.nan
    if not (math.isfinite(score) and math.isfinite(start) and math.isfinite(stop) and stop >= start):
        raise DataError(f"{path}: {name!r} has {str(item)[:60]}, which is no [score, start, stop]")
    return score, start, stop


def _folder_of(proposals: Mapping[str, Stretches], paths: Sequence[str]) -> str:
    """Return the folder that stands before every file's name in the manifest, or nothing."""
    known = set(paths)
    if any(name in known for name in proposals):
        return ""
    first = next(iter(proposals), "")
    folders = {path[: -len(first)] for path in paths if first and path.endswith(f"/{first}")}
    counts = {folder: sum(folder + name in known for name in proposals) for folder in sorted(folders)}
    return max(counts, key=lambda folder: counts[folder], default="")


def _notes(rows: pd.DataFrame, files: Sequence[Proposals], definition: Definition) -> list[str]:
    notes = []
    unordered = sum(bool((file.proposals[1:, 0] > file.proposals[:-1, 0]).any()) for file in files)
    if unordered:
        notes.append(
            f"the proposals of {unordered} files are not ordered by score; they are taken in the order given, as "
            "the benchmark's own code does"
        )
    seconds = [
        (float(file.proposals[:, 2].max()), float(duration))
        for file, duration in zip(files, rows["duration_seconds"], strict=True)
        if len(file.proposals) and duration > 0
    ]
    beyond = sum(stop > FAR_BEYOND * duration for stop, duration in seconds)
    if seconds and beyond > len(seconds) / 2:
        unit = "seconds" if definition.units_per_second == 1 else f"frames at {definition.units_per_second:g} Hz"
        notes.append(
            f"the proposals of {beyond} of {len(seconds)} files end far beyond their clips: are their times {unit}? "
            "(--proposals-fps, 1 for seconds)"
        )
    return notes
