# SPDX-License-Identifier: Apache-2.0
"""IDForge v1 with its lists in two places, and v2 as folders of frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_lines

LISTS = {
    "train": [
        "pristine/id07/id07_00/id07_scene_0012-0.mp4",
        "face_rvc_textmismatch/id07/id07_00/id07_scene_0015_0_simswap.mp4",
        "face_audiomismatch_textmismatch/id07/id07_01/id07_scene_0015_0_infoswap.mp4",
    ],
    "val": [
        "lip_audiomismatch_textmismatch/id00/id00_01/id00_scene_0006.mp4",
        "pristine\\id00\\id00_01\\id00_scene_0010-0.mp4",
    ],
    "test": [
        "rvc_textmismatch/id09/id09_00/id09_scene_0014.mp3.mp4", "tts_textgen/id09/id09_00/id09_scene_0001.mp4",
        "pristine/id09/id09_02/id09_scene_0002-1.mp4",
    ],
}  # fmt: skip


def v1(root: Path, lists: str, clips: str = "main") -> None:
    for split, paths in LISTS.items():
        write_lines(root / lists / f"{split}.csv", paths)
        touch(root / clips, *(path.replace("\\", "/") for path in paths))


def row(path, video, audio, category, person, session, split, note=""):
    fake = int(category != "pristine")
    return Row(
        path, fake, video, audio, category if fake else "real", category.split("_")[0], person, pair_id=session,
        split=split, language="en", note=note,
    )  # fmt: skip


def rows(at: str = "main") -> tuple[Row, ...]:
    return (
        row(f"{at}/pristine/id07/id07_00/id07_scene_0012-0.mp4", 0, 0, "pristine", "id07", "id07_00", "train"),
        row(f"{at}/face_rvc_textmismatch/id07/id07_00/id07_scene_0015_0_simswap.mp4", 1, 1, "face_rvc_textmismatch",
            "id07", "id07_00", "train", "face_swap=simswap"),
        row(f"{at}/face_audiomismatch_textmismatch/id07/id07_01/id07_scene_0015_0_infoswap.mp4", 1, 0,
            "face_audiomismatch_textmismatch", "id07", "id07_01", "train", "face_swap=infoswap"),
        row(f"{at}/lip_audiomismatch_textmismatch/id00/id00_01/id00_scene_0006.mp4", 1, 0,
            "lip_audiomismatch_textmismatch", "id00", "id00_01", "val"),
        row(f"{at}/pristine/id00/id00_01/id00_scene_0010-0.mp4", 0, 0, "pristine", "id00", "id00_01", "val"),
        row(f"{at}/rvc_textmismatch/id09/id09_00/id09_scene_0014.mp3.mp4", 0, 1, "rvc_textmismatch", "id09", "id09_00",
            "test"),
        row(f"{at}/tts_textgen/id09/id09_00/id09_scene_0001.mp4", 0, 1, "tts_textgen", "id09", "id09_00", "test"),
        row(f"{at}/pristine/id09/id09_02/id09_scene_0002-1.mp4", 0, 0, "pristine", "id09", "id09_02", "test"),
    )  # fmt: skip


REAL = "test/pristine/id09/id09_02/id09_scene_0002-1.mp4"
FORGED = "test/lip_rvc_textmismatch/id09/id09_00/id09_scene_0092_0.mp4"
TORN = "train/pristine/id07/id07_00/id07_scene_0012-0.mp4"
NOTE = "frames, not a video: needs a reader of frames"


def v2(root: Path) -> None:
    """Folders named like videos; one has lost its frames."""
    for folder in (REAL, FORGED, TORN):
        name = folder.rpartition("/")[2].removesuffix(".mp4")
        touch(root, f"{folder}/{name}.mp3", f"{folder}/{name}.txt")
    touch(root, f"{REAL}/frames_ndarray.npy", f"{FORGED}/frames_ndarray.npy")


V2 = (
    row(REAL, 0, 0, "pristine", "id09", "id09_02", "test", NOTE),
    row(FORGED, 1, 1, "lip_rvc_textmismatch", "id09", "id09_00", "test", NOTE),
)

LAYOUTS = (
    Layout(
        "v1", "idforge", partial(v1, lists="main"), rows(), missing="main/tts_textgen/id09/id09_00/id09_scene_0001.mp4",
        extra="main/pristine/id07/id07_00/id07_scene_0099-0.mp4", folder="main/pristine", half="main/pristine",
        half_problems={"missing_file": 3, "missing_folder": 1},
        malformed=(
            Malformed("main/test.csv", "tts_textgen/", "mystery/", "test.csv, line 2",
                      ("main/tts_textgen/id09/id09_00/id09_scene_0001.mp4",)),
            Malformed("main/test.csv", "tts_textgen/id09/id09_00/", "", "test.csv, line 2",
                      ("main/tts_textgen/id09/id09_00/id09_scene_0001.mp4",)),
        ),
    ),
    Layout(
        "v1_lists_beside", "idforge", partial(v1, lists="IDForge_v1"), rows(), missing=rows()[3].path,
        extra="main/pristine/id07/x.mp4", folder="main", half="main/lip_audiomismatch_textmismatch",
        half_problems={"missing_file": 1},
    ),
    Layout(
        "v2", "idforge_v2", v2, V2, problems={"incomplete_frames": 1}, missing=FORGED, missing_problems={},
        extra="test/pristine/id09/id09_02/stray.mp4", folder="test/pristine", half="test/lip_rvc_textmismatch",
        half_problems={},
    ),
)  # fmt: skip
