# SPDX-License-Identifier: Apache-2.0
"""DFDC's test set (arXiv 2006.07397), 5,000 clips: ``labels.csv`` (filename, label; 1 is fake) and ``metadata.json``.

Layouts: the release, whose ``metadata.json`` says ``is_fake`` and what was done to each clip (``augmentations``), as
ahaliassos/LipForensics reads it (``data/datasets/DFDC/metadata.json``); SCLBD/DeepfakeBench (``test/labels.csv``,
videos in ``test/videos/``); mapooon/SelfBlendedImages (``labels.csv``, ``videos/``). The 4,000 clips of the public test
set may lie beside them, with ``validation/labels.csv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.dfdc import place_of
from cad.data.benchmarks.index_files import csv_rows, json_items, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

LABELS = {"0": 0, "1": 1, "REAL": 0, "FAKE": 1}
#: Where the videos lie beside an index.
VIDEO_FOLDERS = ("", "videos", "test_videos", "test", "test/videos")
INDEX_FOLDERS = ("", "test", "validation")
INDEX_NAMES = ("labels.csv", "metadata.json")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip that an index labels; ``category`` says what was done to it (``clean`` for nothing).

    Which stream of a fake is forged is not stated, as in the training parts. Nothing ties clips to people.
    """
    kept: dict[str, Row] = {}
    for folder in INDEX_FOLDERS:
        for name in INDEX_NAMES:
            if (index := tree.find(f"{folder}/{name}".lstrip("/"))) is None:
                continue
            for entry in _indexed(tree, index, "val" if folder == "validation" else "test"):
                if isinstance(entry, Problem):
                    yield entry
                    continue
                if kept.get(entry.path, entry).label != entry.label:
                    yield Problem("label_conflict", entry.path, f"{name} says another label than {INDEX_NAMES[0]}")
                elif entry.path not in kept or entry.category:
                    kept[entry.path] = entry
    yield from kept.values()


def _indexed(tree: Tree, index: str, split: str) -> Iterator[Row | Problem]:
    folder = index.rpartition("/")[0]
    places = tuple(f"{folder}/{below}".strip("/") for below in VIDEO_FOLDERS)

    def of_csv(raw: Mapping[str, str]) -> Row:
        return _row(place_of(tree, raw["filename"], places), one_of(LABELS, raw["label"], "label"), "", split)

    def of_json(item: tuple[str, Mapping[str, Any]]) -> Row | Problem:
        name, entry = item
        path = place_of(tree, name, places)
        if "is_fake" not in entry:
            return Problem("no_label", path, "has no is_fake; the adapter dfdc reads the training parts")
        return _row(path, one_of(LABELS, str(int(entry["is_fake"])), "is_fake"), _changes(entry), split)

    if index.lower().endswith(".csv"):
        yield from rows_of(csv_rows(tree.root / index, ("filename", "label"), name=index), of_csv)
    else:
        yield from rows_of(json_items(tree.root / index, name=index), of_json)


def _row(path: str, label: int, category: str, split: str) -> Row:
    silent = "no_audio" in category.split("+")
    return Row(
        path=path,
        label=label,
        video_fake=-1 if label else 0,
        audio_fake=-1 if label or silent else 0,
        method="dfdc" if label else "real",
        category=category,
        split=split,
        language="en",
    )


def _changes(entry: Mapping[str, Any]) -> str:
    """Return the names of what was done to a clip: augmenters (noise, blur ...), then distractors (text, dots ...)."""
    groups = entry.get("augmentations") or {}
    return "+".join(name for group in sorted(groups) for name in sorted(groups[group])) or "clean"


ADAPTER = Adapter(
    "dfdc_test",
    "DFDC (test set)",
    tuple(f"{folder}/{name}".lstrip("/") for folder in INDEX_FOLDERS for name in INDEX_NAMES),
    rows,
    VIDEO_SUFFIXES,
)
