# SPDX-License-Identifier: Apache-2.0
"""DFDC (arXiv 2006.07397): a ``metadata.json`` in each part, {name: {label: REAL or FAKE, split, original}}."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import json_items, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

LABELS = {"REAL": 0, "FAKE": 1}
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of every part.

    Some of the fakes have forged sound and the set does not say which: ``audio_fake`` is unknown for all of them,
    and ``video_fake`` too, since of a fake only the sound may be forged.
    """
    for index in (*tree.matching("metadata.json"), *tree.matching("*/metadata.json")):
        folder = index.rpartition("/")[0]
        yield from rows_of(json_items(tree.root / index), partial(_row, folder))


def _row(folder: str, item: tuple[str, Mapping[str, Any]]) -> Row | Problem:
    name, entry = item
    path = f"{folder}/{name}" if folder else name
    if "label" not in entry:
        return Problem("no_label", path, "has no label")
    label = one_of(LABELS, entry["label"], "label")
    original = str(entry.get("original") or name)
    return Row(
        path=path,
        label=label,
        video_fake=-1 if label else 0,
        audio_fake=-1 if label else 0,
        method="dfdc" if label else "real",
        identity=original,
        pair_id=original,
        source=folder,
        split=SPLITS.get(str(entry.get("split", "train")), ""),
        language="en",
    )


ADAPTER = Adapter("dfdc", "DFDC", ("metadata.json", "*/metadata.json"), rows, VIDEO_SUFFIXES)
