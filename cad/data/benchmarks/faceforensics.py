# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ (ICCV 2019): folders of videos by method and compression; splits are lists of pairs. No sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import read_json
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

SPLITS = ("train", "val", "test")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every video; in a forged pair ``NNN_MMM`` the first video was changed, the second is the donor."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        index = tree.find(f"{split}.json") or tree.find(f"splits/{split}.json")
        if index is None:
            yield Problem("missing_index", f"{split}.json", "the list of pairs of this split is not there")
        else:
            splits |= {str(name): split for pair in read_json(tree.root / index) for name in pair}
    for row in _rows(tree):
        if splits and row.identity not in splits:
            yield Problem("not_in_splits", row.path, f"video {row.identity} is in no split")
        yield replace(row, split=splits.get(row.identity, ""))


def _rows(tree: Tree) -> Iterator[Row]:
    for path in tree.under("original_sequences", VIDEO_SUFFIXES):
        parts = path.split("/")
        yield Row(path, 0, 0, -1, "real", parts[-3], parts[-1].split(".")[0], "", parts[-1].split(".")[0], parts[1])
    for path in tree.under("manipulated_sequences", VIDEO_SUFFIXES):
        parts = path.split("/")
        changed, _, donor = parts[-1].split(".")[0].partition("_")
        yield Row(path, 1, 1, -1, parts[1], parts[-3], changed, donor, changed, "youtube")


ADAPTER = Adapter(
    "faceforensics", "FaceForensics++", ("original_sequences", "manipulated_sequences"), rows, VIDEO_SUFFIXES
)
