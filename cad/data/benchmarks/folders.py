# SPDX-License-Identifier: Apache-2.0
"""Adapters of any set laid out as folders (``real/...``, ``fake/<method>/...``) or listed in a CSV file.

They serve KoDF, DF40, AVLips, DeepSpeak, PolyGlotFake, MAVOS-DD and private sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from cad.data.benchmarks.adapter import SOUND_SUFFIXES, Adapter, media_under, read_csv
from cad.data.manifest import LABEL_WORDS, Problem, Row, parse_segments
from cad.errors import DataError

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
TABLES = ("manifest.csv", "labels.csv", "metadata.csv")


def rows_of_folders(root: Path) -> Iterator[Row | Problem]:
    """Yield every media file with a folder named like a class above it.

    A folder above or below it may name the split; the folder below the class names the method (of a fake) or the
    person (of a genuine clip), where there is one.
    """
    for path in media_under(root, root):
        yield _row(path) or Problem("no_class", path, "no folder above it is called real, fake or the like")


def rows_of_table(root: Path) -> Iterator[Row | Problem]:
    """Yield the rows of ``manifest.csv`` (or ``labels.csv``, ``metadata.csv``) with at least path and label."""
    table = next(root / name for name in TABLES if (root / name).is_file())
    for number, raw in enumerate(read_csv(table, ("path", "label")), start=2):
        word = (raw["label"] or "").strip().lower()
        if word not in LABEL_WORDS:
            yield Problem("no_label", raw["path"], f"line {number}: label {raw['label']!r}")
            continue
        try:
            yield Row(**_known_fields(raw, LABEL_WORDS[word]))
        except (ValueError, DataError) as error:
            yield Problem("bad_entry", raw["path"], f"line {number}: {error}")


def _row(path: str) -> Row | None:
    folders = path.split("/")[:-1]
    classes = ((place, _class(name)) for place, name in enumerate(folders))
    place, label = next((found for found in classes if found[1] is not None), (0, None))
    if label is None:
        return None
    below = [name for name in folders[place + 1 :] if name.lower() not in SPLIT_FOLDERS]
    split = next((SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS), "")
    sound_only = path.lower().endswith(SOUND_SUFFIXES)
    return Row(
        path=path,
        label=label,
        video_fake=-1 if sound_only or label else 0,
        audio_fake=label if sound_only else (-1 if label else 0),
        method=(below[0] if below else "fake") if label else "real",
        identity=below[-1] if below and (not label or len(below) > 1) else "",
        source="/".join(folders[:place]),
        split=split,
    )


def _class(folder: str) -> int | None:
    word = folder.lower().split("_")[0].split("-")[0]
    # A folder that is called 0 or 1 is as likely a person or a part.
    return None if word.isdigit() else LABEL_WORDS.get(word)


def _known_fields(raw: Any, label: int) -> dict[str, Any]:
    """Return a CSV line as the arguments of ``Row``; columns that it does not know are passed over."""
    values: dict[str, Any] = {}
    for field in fields(Row):
        text = (raw.get(field.name) or "").strip()
        if field.name == "label" or not text:
            continue
        of_kind: Callable[[str], Any] = {"int": int, "float": float}.get(str(field.type), str)
        values[field.name] = parse_segments(text) if field.name.endswith("_segments") else of_kind(text)
    return {**values, "label": label}


FOLDERS = Adapter("folders", "a set of folders by class", ("*/",), rows_of_folders)
TABLE = Adapter("table", "a set listed in a CSV file", TABLES, rows_of_table)
