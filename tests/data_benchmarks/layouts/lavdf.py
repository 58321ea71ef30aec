# SPDX-License-Identifier: Apache-2.0
"""LAV-DF as released: the full index, and the smaller one alone, which its authors' loader reads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_json

ENTRIES = [
    {"file": "train/000001.mp4", "n_fakes": 0, "fake_periods": [], "duration": 4.5, "original": None,
     "modify_video": False, "modify_audio": False, "split": "train", "video_frames": 112, "audio_channels": 1,
     "audio_frames": 72000},
    {"file": "train/000002.mp4", "n_fakes": 1, "fake_periods": [[1.25, 1.75]], "duration": 4.5,
     "original": "train/000001.mp4", "modify_video": True, "modify_audio": False, "split": "train",
     "video_frames": 112, "audio_channels": 1, "audio_frames": 72000},
    {"file": "dev/000003.mp4", "n_fakes": 2, "fake_periods": [[0.5, 1.0], [2.0, 2.5]], "duration": 5.0,
     "original": "dev/000004.mp4", "modify_video": True, "modify_audio": True, "split": "dev", "video_frames": 125,
     "audio_channels": 1, "audio_frames": 80000},
    {"file": "dev/000004.mp4", "n_fakes": 0, "fake_periods": [], "duration": 5.0, "original": None,
     "modify_video": False, "modify_audio": False, "split": "dev", "video_frames": 125, "audio_channels": 1,
     "audio_frames": 80000},
    {"file": "test/000005.mp4", "n_fakes": 1, "fake_periods": [[3.0, 3.5]], "duration": 4.0,
     "original": "test/000006.mp4", "modify_video": False, "modify_audio": True, "split": "test",
     "video_frames": 100, "audio_channels": 1, "audio_frames": 64000},
]  # fmt: skip


def make(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_json(root / name, ENTRIES)
    touch(root, *(entry["file"] for entry in ENTRIES))


def row(path: str, video: int, audio: int, kind: str, original: str, split: str, seconds: float, *fakes):
    return Row(
        path, int(bool(video or audio)), video, audio, kind, kind, identity=original, pair_id=original, split=split,
        duration_seconds=seconds, fps=25.0, language="en", fake_segments=fakes,
        video_fake_segments=fakes if video else (), audio_fake_segments=fakes if audio else (),
    )  # fmt: skip


ROWS = (
    row("train/000001.mp4", 0, 0, "real", "train/000001.mp4", "train", 4.5),
    row("train/000002.mp4", 1, 0, "video", "train/000001.mp4", "train", 4.5, (1.25, 1.75)),
    row("dev/000003.mp4", 1, 1, "video+audio", "dev/000004.mp4", "val", 5.0, (0.5, 1.0), (2.0, 2.5)),
    row("dev/000004.mp4", 0, 0, "real", "dev/000004.mp4", "val", 5.0),
    row("test/000005.mp4", 0, 1, "audio", "test/000006.mp4", "test", 4.0, (3.0, 3.5)),
)
FULL, SMALL = "metadata.json", "metadata.min.json"

LAYOUTS = (
    Layout(
        "released", "lavdf", partial(make, names=(FULL, SMALL)), ROWS, missing="train/000002.mp4",
        extra="train/000009.mp4", folder="dev", half="dev",
        malformed=(
            Malformed(FULL, '"split": "test"', '"split": "exam"', f"{FULL}, entry 5", ("test/000005.mp4",)),
            Malformed(FULL, '"n_fakes": 2, ', "", f"{FULL}, entry 3", ("dev/000003.mp4",)),
            Malformed(FULL, '"n_fakes": 2', '"n_fakes": 0', f"{FULL}, entry 3", ("dev/000003.mp4",)),
            Malformed(FULL, '"dev/000003.mp4",', '"dev/000003.mp4"', f"{FULL}, entry 3", ("dev/000003.mp4",)),
            # The file ends in the midst of an entry.
            Malformed(FULL, '"n_fakes": 1, "fake_periods": [[3.0, 3.5]], "duration": 4.0, "original": '
                      '"test/000006.mp4", "modify_video": false, "modify_audio": true, "split": "test", '
                      '"video_frames": 100, "audio_channels": 1, "audio_frames": 64000}\n]\n', "",
                      f"{FULL}, entry 5", ("test/000005.mp4",)),
        ),
    ),
    Layout(
        "small_index", "lavdf", partial(make, names=(SMALL,)), ROWS, missing="test/000005.mp4", extra="dev/9.mp4",
        folder="train", half="train",
    ),
)  # fmt: skip
