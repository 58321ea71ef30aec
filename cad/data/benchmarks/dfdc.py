# SPDX-License-Identifier: Apache-2.0
"""DFDC's training parts (arXiv 2006.07397): ``metadata.json`` in each, {name: {label: REAL or FAKE, split, original}}.

Layouts: the competition's parts as they unpack (``dfdc_train_part_0/``, also one folder deeper as
``dfdc_train_part_00/dfdc_train_part_0/``; ``train_sample_videos/``), and those of SCLBD/DeepfakeBench
(``preprocessing/rearrange.py``: ``train/dfdc_train_part_0/``, videos in ``videos/``). The test set has another index:
see ``dfdc_test``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import json_items, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

INDEXES = ("metadata.json", "*/metadata.json")
LABELS = {"REAL": 0, "FAKE": 1}
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of every part.

    Some of the fakes have forged sound and the set does not say which: ``audio_fake`` is unknown for all of them,
    and ``video_fake`` too, since of a fake only the sound may be forged.
    """
    for index in (path for pattern in INDEXES for path in tree.matching(pattern)):
        yield from rows_of(json_items(tree.root / index, name=index), partial(_row, tree, index.rpartition("/")[0]))


def _row(tree: Tree, part: str, item: tuple[str, Mapping[str, Any]]) -> Row | Problem:
    name, entry = item
    path = place_of(tree, name, (part, f"{part}/videos".lstrip("/")))
    if "label" not in entry:
        text = "is of the test set, which the adapter dfdc_test reads" if "is_fake" in entry else "has no label"
        return Problem("no_label", path, text)
    label = one_of(LABELS, entry["label"], "label")
    original = entry.get("original") or ""
    if label and not original:
        return Problem("no_original", path, "a fake of no original: what it must not be separated from is unknown")
    return Row(
        path=path,
        label=label,
        video_fake=-1 if label else 0,
        audio_fake=-1 if label else 0,
        method="dfdc" if label else "real",
        # The set names no people; a clip and the fakes made of it are what must not be separated.
        identity=str(original or name),
        pair_id=str(original or name),
        source=part.rpartition("/")[2].lower(),
        split=one_of(SPLITS, entry.get("split", "train"), "split"),
        language="en",
    )


def place_of(tree: Tree, name: str, folders: tuple[str, ...]) -> str:
    """Return the path of a clip in one of these folders, or what it would be in the last of them that is there.

    Raises:
        ValueError: It is called like no video.
    """
    if not name.lower().endswith(VIDEO_SUFFIXES):
        raise ValueError(f"{name!r} is no video")
    places = {folder: f"{folder}/{name}".lstrip("/") for folder in folders}
    if found := next((found for place in places.values() if (found := tree.find(place))), None):
        return found
    return next((place for folder, place in reversed(places.items()) if tree.find(folder)), places[folders[0]])


ADAPTER = Adapter("dfdc", "DFDC (training parts)", INDEXES, rows, VIDEO_SUFFIXES)
