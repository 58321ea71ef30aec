# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ (ICCV 2019): folders of videos by method and compression; splits are lists of pairs. No sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cad.data.benchmarks.adapter import VIDEO_SUFFIXES, Adapter, Scan, media_under, read_json
from cad.data.manifest import Problem, Row

SPLITS = ("train", "val", "test")


def rows(root: Path) -> Scan:
    """Return every video; in a forged pair ``NNN_MMM`` the first video was changed, the second is the donor."""
    splits, problems = _splits(root)
    found = []
    for row in _rows(root):
        split = splits.get(row.identity, "")
        if splits and not split:
            problems.append(Problem("not_in_splits", row.path, f"video {row.identity} is in no split"))
        found.append(replace(row, split=split))
    return Scan(tuple(found), tuple(problems))


def _rows(root: Path) -> Iterator[Row]:
    for path in media_under(root / "original_sequences", root, VIDEO_SUFFIXES):
        parts = path.split("/")
        yield Row(path, 0, 0, -1, "real", parts[-3], parts[-1].split(".")[0], "", parts[-1].split(".")[0], parts[1])
    for path in media_under(root / "manipulated_sequences", root, VIDEO_SUFFIXES):
        parts = path.split("/")
        changed, _, donor = parts[-1].split(".")[0].partition("_")
        yield Row(path, 1, 1, -1, parts[1], parts[-3], changed, donor, changed, "youtube")


def _splits(root: Path) -> tuple[dict[str, str], list[Problem]]:
    found, problems = {}, []
    for split in SPLITS:
        index = next(
            (path for path in (root / f"{split}.json", root / "splits" / f"{split}.json") if path.is_file()), None
        )
        if index is None:
            problems.append(Problem("missing_index", f"{split}.json", "the list of pairs of this split is not there"))
            continue
        found.update({str(name): split for pair in read_json(index) for name in pair})
    return found, problems


ADAPTER = Adapter("faceforensics", "FaceForensics++", ("original_sequences", "manipulated_sequences"), rows)
