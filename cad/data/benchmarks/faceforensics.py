# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ (ICCV 2019): folders of videos by method and compression; splits are lists of pairs. No sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cad.data.benchmarks.adapter import VIDEO_SUFFIXES, Adapter, media_under, read_json
from cad.data.manifest import Problem, Row

SPLITS = ("train", "val", "test")


def rows(root: Path) -> Iterator[Row | Problem]:
    """Yield every video; in a forged pair ``NNN_MMM`` the first video was changed, the second is the donor."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        places = (root / f"{split}.json", root / "splits" / f"{split}.json")
        index = next((path for path in places if path.is_file()), None)
        if index is None:
            yield Problem("missing_index", f"{split}.json", "the list of pairs of this split is not there")
        else:
            splits |= {str(name): split for pair in read_json(index) for name in pair}
    for row in _rows(root):
        if splits and row.identity not in splits:
            yield Problem("not_in_splits", row.path, f"video {row.identity} is in no split")
        yield replace(row, split=splits.get(row.identity, ""))


def _rows(root: Path) -> Iterator[Row]:
    for path in media_under(root / "original_sequences", root, VIDEO_SUFFIXES):
        parts = path.split("/")
        yield Row(path, 0, 0, -1, "real", parts[-3], parts[-1].split(".")[0], "", parts[-1].split(".")[0], parts[1])
    for path in media_under(root / "manipulated_sequences", root, VIDEO_SUFFIXES):
        parts = path.split("/")
        changed, _, donor = parts[-1].split(".")[0].partition("_")
        yield Row(path, 1, 1, -1, parts[1], parts[-3], changed, donor, changed, "youtube")


ADAPTER = Adapter("faceforensics", "FaceForensics++", ("original_sequences", "manipulated_sequences"), rows)
