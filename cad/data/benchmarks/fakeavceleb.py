# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb v1.2 (arXiv 2108.05080): ``meta_data.csv`` and four folders of real or fake picture and sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cad.data.benchmarks.adapter import Adapter, read_csv
from cad.data.manifest import Row

COLUMNS = ("source", "target1", "target2", "method", "category", "type", "race", "gender", "path")
#: The last column has no name; it holds the folder, with the archive's own name in front.
FOLDER_COLUMN = ""
ARCHIVE_PREFIX = "FakeAVCeleb/"

#: By category, whether the picture and the sound are forged.
FORGED = {"A": (0, 0), "B": (0, 1), "C": (1, 0), "D": (1, 1)}


def rows(root: Path) -> Iterator[Row]:
    """Yield every clip that ``meta_data.csv`` names; 22 files stand in it twice."""
    for raw in read_csv(root / "meta_data.csv", (*COLUMNS, FOLDER_COLUMN)):
        video_fake, audio_fake = FORGED[raw["category"].strip()]
        identity, donor = raw["source"].strip(), raw["target1"].strip()
        folder = raw[FOLDER_COLUMN].strip().replace("\\", "/").removeprefix(ARCHIVE_PREFIX).strip("/")
        yield Row(
            path=f"{folder}/{raw['path'].strip()}",
            label=int(bool(video_fake or audio_fake)),
            video_fake=video_fake,
            audio_fake=audio_fake,
            method=raw["method"].strip(),
            category=raw["type"].strip(),
            identity=identity,
            source_identity="" if donor == "-" else donor,
            pair_id=f"{identity}/{raw['path'].split('_')[0].removesuffix('.mp4')}",
            source=f"{raw['race'].strip()}/{raw['gender'].strip()}",
            language="en",
        )


ADAPTER = Adapter("fakeavceleb", "FakeAVCeleb v1.2", ("meta_data.csv",), rows)
