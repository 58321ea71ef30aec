# SPDX-License-Identifier: Apache-2.0
"""One clip of a benchmark as a record, and what an adapter hands back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cad.errors import DataError

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Row:
    """One clip and what its data set says of it.

    Attributes:
        path: Relative to the data set's root, with forward slashes.
        label: 1 fake, 0 real.
        video_fake: 1 fake, 0 genuine, -1 unknown or absent.
        audio_fake: Likewise.
        method: Name of the forgery; ``real`` for genuine clips.
        category: The data set's own coarse class, or empty.
        identity: Whom the clip belongs to when splitting and resampling; empty if unknown.
        source_identity: Whose face or voice was put in, where the set says so.
        pair_id: Same id = same event or speaker, genuine and forged alike.
        source: Page, corpus or folder that it comes from.
        dataset: Name of the data set.
        language: Where known.
        fake_segments: [start, stop) in seconds; empty where the set is not temporal.
        split: ``train``, ``val``, ``test`` or empty.
        duration_seconds: As the set declares it; -1 where it does not.
        fps: As the set declares it; -1 where it does not.
        sha256: Of the file, or empty until it is computed.
        note: One line for a person.
    """

    path: str
    label: int
    video_fake: int = UNKNOWN
    audio_fake: int = UNKNOWN
    method: str = "real"
    category: str = ""
    identity: str = ""
    source_identity: str = ""
    pair_id: str = ""
    source: str = ""
    dataset: str = ""
    language: str = ""
    fake_segments: tuple[tuple[float, float], ...] = ()
    split: str = ""
    duration_seconds: float = -1.0
    fps: float = -1.0
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with one row or file: a stable ``kind``, the path and one line for a person."""

    kind: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What an adapter found: the usable rows, and everything that it could not use."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]

    def counts(self) -> dict[str, int]:
        """Return how often each kind of problem occurs, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())


def segments_text(segments: Sequence[Sequence[float]]) -> str:
    """Return ``segments`` as they stand in a manifest.

    Example:
        >>> segments_text([(0.5, 1.25)])
        '[[0.5, 1.25]]'
        >>> segments_text([])
        ''
    """
    return json.dumps([[float(start), float(stop)] for start, stop in segments]) if segments else ""


def parse_segments(text: str) -> tuple[tuple[float, float], ...]:
    """Return the segments that ``segments_text`` wrote.

    Raises:
        DataError: The text is not a list of [start, stop] pairs.

    Example:
        >>> parse_segments("[[0.5, 1.25]]")
        ((0.5, 1.25),)
    """
    if not text:
        return ()
    try:
        return tuple((float(start), float(stop)) for start, stop in json.loads(text))
    except (ValueError, TypeError) as error:
        raise DataError(f"fake_segments must be a JSON list of [start, stop] pairs, got {text!r}") from error


def split_missing(rows: Sequence[Row], root: Path) -> Scan:
    """Separate rows whose file (or folder of frames) is not under ``root`` from the others."""
    kept, problems = [], []
    for row in rows:
        if (root / row.path).exists():
            kept.append(row)
        else:
            problems.append(Problem("missing_file", row.path, "the index names it but it is not on disk"))
    return Scan(tuple(kept), tuple(problems))
