# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb v1.2 (arXiv 2108.05080): ``meta_data.csv`` and four folders of real or fake picture and sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

COLUMNS = ("source", "target1", "target2", "method", "category", "type", "race", "gender", "path")
#: The last column has no name; it holds the folder, with the archive's own name in front.
FOLDER_COLUMN = ""
ARCHIVE_PREFIX = "FakeAVCeleb/"

#: By category, whether the picture and the sound are forged.
FORGED = {"A": (0, 0), "B": (0, 1), "C": (1, 0), "D": (1, 1)}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip that ``meta_data.csv`` names; 22 files stand in it twice."""
    index = tree.root / tree.matching("meta_data.csv")[0]
    yield from rows_of(csv_rows(index, (*COLUMNS, FOLDER_COLUMN)), _row)


def _row(raw: Mapping[str, str]) -> Row:
    video_fake, audio_fake = one_of(FORGED, raw["category"], "category")
    identity, donor = raw["source"], raw["target1"]
    folder = raw[FOLDER_COLUMN].replace("\\", "/").removeprefix(ARCHIVE_PREFIX).strip("/")
    return Row(
        path=f"{folder}/{raw['path']}",
        label=int(bool(video_fake or audio_fake)),
        video_fake=video_fake,
        audio_fake=audio_fake,
        method=raw["method"],
        category=raw["type"],
        identity=identity,
        source_identity="" if donor == "-" else donor,
        pair_id=f"{identity}/{raw['path'].split('_')[0].removesuffix('.mp4')}",
        source=f"{raw['race']}/{raw['gender']}",
        language="en",
    )


ADAPTER = Adapter("fakeavceleb", "FakeAVCeleb v1.2", ("meta_data.csv",), rows, VIDEO_SUFFIXES)
