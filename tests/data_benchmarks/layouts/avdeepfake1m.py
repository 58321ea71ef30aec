# SPDX-License-Identifier: Apache-2.0
"""AV-Deepfake1M and AV-Deepfake1M++: lists of all clips, or a file for each."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_json


def entry(file, kind, split, original=None, audio=None, video=None, heard=(), seen=(), frames=100, samples=64_000):
    known = {
        "file": file, "original": original, "split": split, "modify_type": kind, "audio_model": audio,
        "fake_segments": sorted({*map(tuple, heard), *map(tuple, seen)}), "audio_fake_segments": heard,
        "visual_fake_segments": seen, "video_frames": frames, "audio_frames": samples,
    }  # fmt: skip
    return {**known, "video_model": video} if video is not None else known


ONE = "id00012/21Uxsk56VDQ/00001"
TWO = "id00015/0fijmz4vTVU/00002"
TRAIN = [
    entry(f"{ONE}/real.mp4", "real", "train"),
    entry(f"{ONE}/fake_video_fake_audio.mp4", "both_modified", "train", f"{ONE}/real.mp4", "vits", None, [[1.0, 1.5]],
          [[1.0, 1.5]]),
    # Forged in the sound alone, with a stretch of the picture that is none (as 6,160 entries have it).
    entry(f"{ONE}/real_video_fake_audio.mp4", "audio_modified", "train", f"{ONE}/real.mp4", "yourtts", None,
          [[0.5, 1.0], [2.0, 2.25]], [[2.0, 2.25]]),
]  # fmt: skip
VAL = [
    entry(f"{TWO}/real.mp4", "real", "val", frames=75),
    entry(f"{TWO}/fake_video_real_audio.mp4", "visual_modified", "val", f"{TWO}/real.mp4", None, None, [], [[0.2, 0.8]],
          75),
]  # fmt: skip


def make(root: Path, folders: tuple[str, str] = ("train", "val"), lists: bool = True) -> None:
    for split, folder, entries in (("train", folders[0], TRAIN), ("val", folders[1], VAL)):
        if lists:
            write_json(root / f"{split}_metadata.json", entries)
        for one in entries:
            if not lists:
                path = root / f"{split}_metadata" / one["file"].replace(".mp4", ".json")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(one))
            touch(root, f"{folder}/{one['file']}")
    (root / "test_files.txt").write_text("000001.mp4\n")
    touch(root, "test/000001.mp4")


def row(path, video, audio, method, kind, split, seconds, both=(), seen=(), heard=(), person="", pair="", source=""):
    parts = path.split("/")
    return Row(
        path, int(kind != "real"), video, audio, method, kind, person or parts[-4],
        pair_id=pair or "/".join(parts[-4:-1]), source=source, fake_segments=both, video_fake_segments=seen,
        audio_fake_segments=heard, split=split,
        duration_seconds=seconds, fps=25.0, language="en",
    )  # fmt: skip


def rows(train: str = "train", val: str = "val") -> tuple[Row, ...]:
    short, long = ((0.5, 1.0), (2.0, 2.25)), ((1.0, 1.5),)
    return (
        row(f"{train}/{ONE}/real.mp4", 0, 0, "real", "real", "train", 4.0),
        row(f"{train}/{ONE}/fake_video_fake_audio.mp4", 1, 1, "vits", "both_modified", "train", 4.0, long, long, long),
        row(f"{train}/{ONE}/real_video_fake_audio.mp4", 0, 1, "yourtts", "audio_modified", "train", 4.0, short, (),
            short),
        row(f"{val}/{TWO}/real.mp4", 0, 0, "real", "real", "val", 3.0),
        row(f"{val}/{TWO}/fake_video_real_audio.mp4", 1, 0, "visual_modified", "visual_modified", "val", 3.0,
            ((0.2, 0.8),), ((0.2, 0.8),)),
    )  # fmt: skip


UTTERANCE = "vox_celeb_2/id01358/_1nATum8x78/00030"
LRS = "lrs3/ue2ZEmTJSXo/00013"
SILENT = "silent_videos/subject_17_ddvyjnjfad_vid_2_6"
PLUS_TRAIN = [
    entry(f"{UTTERANCE}/real.mp4", "real", "train", "VoxCeleb2/dev/mp4/id01358/_1nATum8x78/00030.mp4", None, ""),
    entry(f"{UTTERANCE}/fake_video_fake_audio_p1.mp4", "both_modified", "train", f"{UTTERANCE}/real.mp4", "yourtts",
          "Talklip", [[3.5, 3.75]], [[3.5, 3.75]]),
    entry(f"{LRS}/00013.mp4", "real", "train", None, None, ""),
]  # fmt: skip
PLUS_VAL = [
    entry(f"{SILENT}/fake.mp4", "visual_modified", "val", f"{SILENT}/real.mp4", None, "diff2lip", [], [[0.0, 1.0]], 150,
          0),
    # The person of the training part again, as the official split has it.
    entry("vox_celeb_2/id01358/other/00001/real.mp4", "real", "val", None, None, ""),
]  # fmt: skip


def plus_plus(root: Path, twice: bool, lists: bool = True) -> None:
    for split, entries in (("train", PLUS_TRAIN), ("val", PLUS_VAL)):
        if lists:
            write_json(root / f"{split}_metadata.json", entries)
        else:
            for one in entries:
                write_json(root / split / one["file"].replace(".mp4", ".json"), [one])
        touch(root, *(f"{split}/{split}/{one['file']}" if twice else f"{split}/{one['file']}" for one in entries))
    touch(root, "testA/000001.mp4", "testB/000002.mp4")


def plus_rows(train: str, val: str) -> tuple[Row, ...]:
    stretch = ((3.5, 3.75),)
    vox, lrs, silent = "vox_celeb_2", "lrs3", "silent_videos"
    return (
        row(f"{train}/{UTTERANCE}/real.mp4", 0, 0, "real", "real", "train", 4.0, pair=UTTERANCE, person="id01358",
            source=vox),
        row(f"{train}/{UTTERANCE}/fake_video_fake_audio_p1.mp4", 1, 1, "Talklip+yourtts", "both_modified", "train", 4.0,
            stretch, stretch, stretch, pair=UTTERANCE, person="id01358", source=vox),
        row(f"{train}/{LRS}/00013.mp4", 0, 0, "real", "real", "train", 4.0, pair=LRS, person="lrs3/ue2ZEmTJSXo",
            source=lrs),
        row(f"{val}/{SILENT}/fake.mp4", 1, -1, "diff2lip", "visual_modified", "val", 6.0, ((0.0, 1.0),), ((0.0, 1.0),),
            pair=SILENT, person="silent_videos/subject_17_ddvyjnjfad", source=silent),
        row(f"{val}/vox_celeb_2/id01358/other/00001/real.mp4", 0, 0, "real", "real", "val", 4.0,
            pair="vox_celeb_2/id01358/other/00001", person="id01358", source=vox),
    )  # fmt: skip


TEST = {"no_label": 1}
LAYOUTS = (
    Layout(
        "released", "avdeepfake1m", make, rows(), problems=TEST, missing=f"train/{ONE}/real.mp4",
        extra=f"val/{TWO}/real_video_fake_audio.mp4", folder="train", half="val",
        malformed=(
            Malformed("train_metadata.json", '"both_modified"', '"all_modified"', "train_metadata.json, entry 2",
                      (f"train/{ONE}/fake_video_fake_audio.mp4",)),
            Malformed("val_metadata.json", "[[0.2, 0.8]], \"video_frames\": 75", "[[0.2]], \"video_frames\": 75",
                      "val_metadata.json, entry 2", (f"val/{TWO}/fake_video_real_audio.mp4",)),
        ),
    ),
    Layout(
        "a_file_for_each_clip", "avdeepfake1m", partial(make, lists=False), rows(), problems=TEST,
        missing=f"val/{TWO}/real.mp4", extra="train/id9/a/00001/real.mp4", folder="val", half="val",
    ),
    Layout(
        "all_in_data", "avdeepfake1m", partial(make, folders=("data", "data")), rows("data", "data"), problems=TEST,
        missing=f"data/{ONE}/real.mp4", extra="data/id9/a/00001/real.mp4", folder="data", half="data/id00015",
    ),
    Layout(
        "plus_plus", "avdeepfake1m_plusplus", partial(plus_plus, twice=False), plus_rows("train", "val"),
        problems={"no_label": 2}, missing=f"train/{LRS}/00013.mp4", extra="val/lrs3/a/00001/00001.mp4", folder="train",
        half="val",
    ),
    Layout(
        "plus_plus_a_file_for_each_clip", "avdeepfake1m_plusplus", partial(plus_plus, twice=False, lists=False),
        plus_rows("train", "val"), problems={"no_label": 2}, missing=f"train/{LRS}/00013.mp4",
        extra="val/lrs3/a/00001/00001.mp4", folder="train",
        # The entries go with the clips.
        half="val", half_problems={"missing_index": 1},
    ),
    Layout(
        "plus_plus_unpacked_in_place", "avdeepfake1m_plusplus", partial(plus_plus, twice=True),
        plus_rows("train/train", "val/val"), problems={"no_label": 2}, missing=f"val/val/{SILENT}/fake.mp4",
        extra="train/train/lrs3/a/00001/00001.mp4", folder="val/val", half="val",
    ),
)  # fmt: skip
