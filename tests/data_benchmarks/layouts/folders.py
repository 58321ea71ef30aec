# SPDX-License-Identifier: Apache-2.0
"""Sets of folders by class: splits above and below, classes inside classes."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, touch

NESTED = (
    "original_dataset/train/real/ann/1.mp4",
    "original_dataset/train/fake/wav2lip/bob/2.mp4",
    "original_dataset/fake/real_esrgan/val/3.mp4",
    "original_dataset/bona-fide/test/4.wav",
    "original_dataset/test/spoof/tts/5.wav",
    "youtube_real/videos/6.mp4",
)
NESTED_ROWS = (
    Row(NESTED[0], 0, 0, 0, "real", identity="ann", source="original_dataset/train", split="train"),
    Row(NESTED[1], 1, -1, -1, "wav2lip", identity="bob", source="original_dataset/train", split="train"),
    Row(NESTED[2], 1, -1, -1, "real_esrgan", source="original_dataset", split="val"),
    Row(NESTED[3], 0, -1, 0, "real", source="original_dataset", split="test"),
    Row(NESTED[4], 1, -1, 1, "tts", source="original_dataset/test", split="test"),
    Row(NESTED[5], 0, 0, 0, "real"),
)
DOUBTFUL = ("real/fake/7.mp4", "train/fake/test/8.mp4", "extra/9.mp4")


def nested(root: Path) -> None:
    touch(root, *NESTED, *DOUBTFUL)


LAYOUTS = (
    Layout(
        "nested", "folders", nested, NESTED_ROWS, problems={"two_classes": 1, "two_splits": 1, "no_class": 1},
        missing=NESTED[1], missing_problems={}, extra="youtube_real/9.mp4",
        extra_rows=(Row("youtube_real/9.mp4", 0, 0, 0, "real"),), folder="youtube_real",
        half="original_dataset/bona-fide", half_problems={},
    ),
)  # fmt: skip
