# SPDX-License-Identifier: Apache-2.0
"""Celeb-DF v1 and v2 as released, and as DeepfakeBench and SelfBlendedImages lay them out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_lines

LIST = "List_of_testing_videos.txt"
#: In the list 1 is real and 0 is fake.
TESTED = ["1 Celeb-real/id0_0000.mp4", "1 YouTube-real/00170.mp4", "0 Celeb-synthesis/id0_id16_0000.mp4"]
OTHERS = ["Celeb-real/id1_0007.mp4", "YouTube-real/00003.mp4", "Celeb-synthesis/id1_id0_0007.mp4"]
FOLDERS = ("Celeb-real", "YouTube-real", "Celeb-synthesis")


def place(path: str, folder: str, youtube: str) -> str:
    """Return where a layout has the video that the list names ``path``."""
    return path.replace("/", f"/{folder}").replace("YouTube-real", youtube)


def make(root: Path, folder: str = "", youtube: str = "YouTube-real") -> None:
    write_lines(root / LIST, TESTED)
    videos = [*(line.split()[1] for line in TESTED), *OTHERS]
    touch(root, *(place(video, folder, youtube) for video in videos))
    if folder:
        # Pictures and points that loaders cut from the videos lie beside them.
        touch(root, "Celeb-real/frames/id0_0000/000.png", "Celeb-real/landmarks/id0_0000/000.npy")


def rows(folder: str = "", youtube: str = "YouTube-real") -> tuple[Row, ...]:
    def row(path: str, fake: int, split: str, owner: str, pair: str, donor: str = "") -> Row:
        kind = path.split("/")[0]
        method = "celeb-synthesis" if fake else "real"
        where = place(path, folder, youtube)
        return Row(where, fake, fake, -1, method, kind, owner, donor, pair, kind, split=split)

    return (
        row("Celeb-real/id0_0000.mp4", 0, "test", "id0", "id0_0000"),
        row("YouTube-real/00170.mp4", 0, "test", "youtube_00170", "00170"),
        row("Celeb-synthesis/id0_id16_0000.mp4", 1, "test", "id0", "id0_0000", "id16"),
        row("Celeb-real/id1_0007.mp4", 0, "train", "id1", "id1_0007"),
        row("YouTube-real/00003.mp4", 0, "train", "youtube_00003", "00003"),
        row("Celeb-synthesis/id1_id0_0007.mp4", 1, "train", "id1", "id1_0007", "id0"),
    )


def layout(name: str, adapter: str, folder: str = "", youtube: str = "YouTube-real", **more: object) -> Layout:
    new = Row(f"Celeb-real/{folder}id2_0001.mp4", 0, 0, -1, "real", "Celeb-real", "id2", "", "id2_0001", "Celeb-real",
              split="train")  # fmt: skip
    return Layout(
        name, adapter, partial(make, folder=folder, youtube=youtube), rows(folder, youtube),
        missing=f"Celeb-real/{folder}id0_0000.mp4", missing_problems={"missing_file": 1}, extra=new.path,
        extra_rows=(new,), folder="Celeb-synthesis", half=youtube,
        half_problems={"missing_file": 1, "missing_folder": 1},
        **more,
    )  # fmt: skip


LAYOUTS = (
    layout(
        "released", "celebdf",
        malformed=(
            Malformed(LIST, "0 Celeb-synthesis", "fake Celeb-synthesis", f"{LIST}, line 3"),
            Malformed(LIST, "1 Celeb-real/id0_0000.mp4", "id0_0000.mp4", f"{LIST}, line 1"),
            Malformed(LIST, "1 Celeb-real/id0_0000.mp4", "0 Celeb-real/id0_0000.mp4", "Celeb-real/id0_0000.mp4",
                      kind="label_conflict"),
        ),
    ),
    layout("v1_released", "celebdf_v1"),
    layout("deepfakebench", "celebdf", "videos/"),
    layout("selfblendedimages", "celebdf", "videos/", "Youtube-real"),
)  # fmt: skip
