# SPDX-License-Identifier: Apache-2.0
"""Celeb-DF v2 (CVPR 2020): three folders; in ``List_of_testing_videos.txt`` **1 is real and 0 is fake**. No sound."""

from __future__ import annotations

from collections.abc import Iterator

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, one_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

TEST_LIST = "List_of_testing_videos.txt"
REAL_FOLDERS = ("Celeb-real", "YouTube-real")
FAKE_FOLDER = "Celeb-synthesis"


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every video; labels come from the folder, and the list is held against it."""
    listed: dict[str, int] = {}
    if (index := tree.find(TEST_LIST)) is None:
        yield Problem("missing_index", TEST_LIST, "without it no video is known to be a test one")
    else:
        for entry in lines(tree.root / index, 2):
            if isinstance(entry, Problem):
                yield entry
                continue
            place, fields = entry
            try:
                path = " ".join(fields[1:])
                listed[tree.find(path) or path] = one_of({"1": 0, "0": 1}, fields[0], "class")
            except DataError as error:
                yield Problem("bad_row", place, str(error))
    present = set()
    for folder in (*REAL_FOLDERS, FAKE_FOLDER):
        for path in tree.under(folder, VIDEO_SUFFIXES):
            row = _row(path, folder, "test" if path in listed else "train")
            if listed.get(path, row.label) != row.label:
                yield Problem("label_conflict", path, "the list has another label than the folder; 1 is real")
            present.add(path)
            yield row
    yield from (Problem("missing_file", path, "the list names it") for path in listed if path not in present)


def _row(path: str, folder: str, split: str) -> Row:
    """Return the row of a video: ``id0_0000.mp4`` real, ``id0_id16_0000.mp4`` with id16's face in id0's video."""
    stem = path.rsplit("/", 1)[-1].split(".")[0]
    parts = stem.split("_")
    fake = int(folder == FAKE_FOLDER)
    known = parts[0].startswith("id")
    identity = parts[0] if known else f"youtube_{stem}"
    return Row(
        path=path,
        label=fake,
        video_fake=fake,
        method="celeb-synthesis" if fake else "real",
        category=folder,
        identity=identity,
        source_identity=parts[1] if fake and len(parts) > 2 else "",
        pair_id=f"{parts[0]}_{parts[-1]}" if known else stem,
        source=folder,
        split=split,
    )


ADAPTER = Adapter(
    "celebdf", "Celeb-DF v2", ("Celeb-real", FAKE_FOLDER, TEST_LIST), rows, VIDEO_SUFFIXES, splits_share_people=True
)
