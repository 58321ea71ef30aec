# SPDX-License-Identifier: Apache-2.0
"""Miniature trees with the layouts of published data sets and their quirks; files are a few bytes unless said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

FAKEAVCELEB_COLUMNS = ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path", ""]


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def write_rows(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def fakeavceleb(root: Path) -> Path:
    """A row of each category, one of them twice, the folder in a column without a name, one file missing."""
    rows = [
        ["id00076", "-", "-", "real", "A", "RealVideo-RealAudio", "African", "men", "00109.mp4"],
        ["id00166", "-", "-", "rtvc", "B", "RealVideo-FakeAudio", "African", "men", "00010_fake.mp4"],
        ["id00076", "id00166", "-", "faceswap", "C", "FakeVideo-RealAudio", "African", "men", "00109_id00166.mp4"],
        ["id00020", "id00018", "-", "faceswap-wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "1_2.mp4"],
        ["id00020", "id00018", "-", "faceswap-wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "1_2.mp4"],
        ["id00020", "-", "-", "wav2lip", "D", "FakeVideo-FakeAudio", "Asian (East)", "women", "gone.mp4"],
    ]
    full = [[*row, f"FakeAVCeleb/{row[5]}/{row[6]}/{row[7]}/{row[0]}"] for row in rows]
    write_rows(root / "meta_data.csv", [FAKEAVCELEB_COLUMNS, *full])
    touch(root, *(f"{row[9].removeprefix('FakeAVCeleb/')}/{row[8]}" for row in full[:5]))
    return root


def dfdc(root: Path) -> Path:
    """Two parts; one entry without a label."""
    parts = {
        "dfdc_train_part_0": {
            "a.mp4": {"label": "REAL", "split": "train", "original": None},
            "b.mp4": {"label": "FAKE", "split": "train", "original": "a.mp4"},
        },
        "dfdc_train_part_1": {"c.mp4": {"split": "train"}, "d.mp4": {"label": "REAL", "split": "train"}},
    }
    for part, entries in parts.items():
        touch(root / part, *entries)
        (root / part / "metadata.json").write_text(json.dumps(entries))
    return root


def faceforensics(root: Path) -> Path:
    """Two compressions, pairs in the split lists, one list missing, one video in no list."""
    touch(
        root,
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/youtube/c23/videos/003.mp4",
        "original_sequences/youtube/c40/videos/999.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/NeuralTextures/c40/videos/003_000.mp4",
    )
    (root / "train.json").write_text(json.dumps([["000", "003"]]))
    (root / "val.json").write_text(json.dumps([["719", "720"]]))
    return root


def celebdf(root: Path) -> Path:
    """In the list 1 is real and 0 is fake; it names a file that is not there."""
    touch(
        root, "Celeb-real/id0_0000.mp4", "Celeb-real/id1_0000.mp4", "YouTube-real/00000.mp4",
        "Celeb-synthesis/id0_id16_0000.mp4", "Celeb-synthesis/id1_id3_0000.mp4",
    )  # fmt: skip
    lines = ["1 Celeb-real/id0_0000.mp4", "1 YouTube-real/00000.mp4", "0 Celeb-synthesis/id0_id16_0000.mp4"]
    (root / "List_of_testing_videos.txt").write_text("\n".join([*lines, "0 Celeb-synthesis/id9_id8_0001.mp4", ""]))
    return root


def deepfaketimit(root: Path) -> Path:
    """Two qualities, sound beside the pictures (and not a clip of its own), genuine videos in vidtimit/."""
    for quality in ("lower_quality", "higher_quality"):
        touch(root, f"{quality}/fadg0/sa1-video-fram1.avi", f"{quality}/fadg0/sa1.wav")
    touch(root, "vidtimit/fadg0/video/sa1.avi")
    return root


def folders(root: Path) -> Path:
    """Class folders in several spellings, splits above and below, a file with no class."""
    touch(root, "train/real/ann/1.mp4", "train/Fake/wav2lip/bob/2.mp4", "test/fake_v2/tts/3.wav", "extra/4.mp4")
    return root
