# SPDX-License-Identifier: Apache-2.0
"""The manifest: one row a file, what is false in it, who is in it; and what must hold before anything is trained on it.

Columns: path, label (real, fake), video_fake and audio_fake (1, 0, -1 = unknown or absent), method, identity, pair_id
(same id = same event or speaker, genuine and forged alike), source (page or corpus), split (train, val); others are
kept but not used.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cad.data.shards import ClipEntry
from cad.errors import DataError

LABELS = ("real", "fake")
SPLITS = ("train", "val")
KNOWLEDGE = ("1", "0", "-1")
COLUMNS = ("path", "label", "video_fake", "audio_fake", "method", "identity", "pair_id", "source", "split")

#: Identities that mean "nobody in particular" and are therefore no overlap between splits.
UNNAMED_IDENTITIES = frozenset({"", "unknown"})

#: So many rows are written out for each kind of problem; the number of the others is said.
ROWS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One file of the manifest.

    Attributes:
        path: Relative to the manifest's root; the clip's key.
        label: ``real`` or ``fake``.
        video_fake: 1 fake, 0 genuine, -1 unknown or absent.
        audio_fake: Likewise.
        method: What made it; ``real`` for genuine rows.
        identity: Who is seen or heard.
        pair_id: Same id = same event or speaker.
        source: Page or corpus.
        split: ``train`` or ``val``.
    """

    path: str
    label: str
    video_fake: int
    audio_fake: int
    method: str
    identity: str
    pair_id: str
    source: str
    split: str

    @property
    def is_fake(self) -> bool:
        """Whether the row's label is fake."""
        return self.label == "fake"


def read_manifest(path: str | Path) -> list[ManifestRow]:
    """Return the manifest's rows in file order.

    Raises:
        DataError: The file is missing, lacks a column, or has rows with unknown labels, splits or flags, or with a
            path that occurs twice; the message names the rows.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
            fields = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: the manifest cannot be read ({error})") from error
    return rows_of(fields, str(path))


def rows_of(fields: Iterable[Mapping[str, str]], where: str) -> list[ManifestRow]:
    """Return the rows of column-to-text mappings, such as the ones that the shards carry.

    Raises:
        DataError: Rows have unknown labels, splits or flags, or a path that occurs twice.
    """
    problems: dict[str, list[str]] = defaultdict(list)
    rows: dict[str, ManifestRow] = {}
    for number, field in enumerate(fields, start=1):
        name = f"row {number} ({field.get('path') or 'no path'})"
        wrong = _wrong_values(field)
        for text in wrong:
            problems[text].append(name)
        if wrong:
            continue
        row = ManifestRow(
            **{column: field.get(column) or "" for column in COLUMNS if not column.endswith("_fake")},
            video_fake=int(field["video_fake"]),
            audio_fake=int(field["audio_fake"]),
        )
        if row.path in rows:
            problems["path occurs twice"].append(name)
        rows[row.path] = row
    raise_problems(where, problems)
    return list(rows.values())


def _wrong_values(field: Mapping[str, str]) -> list[str]:
    """Return what is wrong with one row's values, each with the accepted ones."""
    accepted = {"label": LABELS, "video_fake": KNOWLEDGE, "audio_fake": KNOWLEDGE, "split": SPLITS}
    wrong = [
        f"{column} {field.get(column)!r} (accepted: {', '.join(values)})"
        for column, values in accepted.items()
        if field.get(column) not in values
    ]
    return wrong if field.get("path") else ["no path", *wrong]


def raise_problems(where: str, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise one error that lists every kind of problem with its rows; do nothing where there is none.

    Raises:
        DataError: There is a problem.
    """
    lines = []
    for problem, rows in problems.items():
        if rows:
            more = f" and {len(rows) - ROWS_SHOWN} more" if len(rows) > ROWS_SHOWN else ""
            lines.append(f"  {problem}: {', '.join(rows[:ROWS_SHOWN])}{more}")
    if lines:
        raise DataError("\n".join([f"{where}: not fit for training", *lines]))


def missing_files(rows: Iterable[ManifestRow], root: str | Path) -> list[str]:
    """Return the paths of rows whose file is not under ``root`` or is empty."""
    files = ((row.path, Path(root) / row.path) for row in rows)
    return [path for path, file in files if not file.is_file() or file.stat().st_size == 0]


def shared_identities(rows: Iterable[ManifestRow]) -> list[str]:
    """Return who is on both sides of the split, with a row of each side.

    Genuine rows and rows with a face must be disjoint by person. Synthetic speech is disjoint by system instead (the
    voice that was cloned may be anyone's), so forged rows without a picture count by ``method``.
    """
    sides: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        by_person = not row.is_fake or row.video_fake != -1
        if by_person and row.identity not in UNNAMED_IDENTITIES:
            sides["person", row.identity].setdefault(row.split, row.path)
    return [f"{name} ({found['train']} and {found['val']})" for (_, name), found in sides.items() if len(found) == 2]


def check_rows(rows: Sequence[ManifestRow], where: str) -> None:
    """Check that a model can be trained on these rows and judged on their val part.

    Raises:
        DataError: A side of the split is empty or has one class only, or a person is on both sides.
    """
    problems: dict[str, Sequence[str]] = {}
    for split in SPLITS:
        labels = {row.label for row in rows if row.split == split}
        if len(labels) < 2:
            examples = [row.path for row in rows if row.split == split]
            problems[f"{split} has only {labels.pop()} rows" if labels else f"{split} has no rows"] = examples or ["-"]
    problems["person on both sides of the split"] = shared_identities(rows)
    raise_problems(where, problems)


def check_clips(rows: Iterable[ManifestRow], entries: Mapping[str, ClipEntry], where: str) -> None:
    """Check that every row has a clip in the shards with something to see or hear in it.

    Raises:
        DataError: Rows have no clip, or one without any slot in which a face or sound is present.
    """
    problems: dict[str, list[str]] = {"no clip in the shards": [], "zero-length clip": []}
    for row in rows:
        entry = entries.get(row.path)
        if entry is None:
            problems["no clip in the shards"].append(row.path)
        elif not (entry.has_frames or entry.has_audio):
            problems["zero-length clip"].append(row.path)
    raise_problems(where, problems)
