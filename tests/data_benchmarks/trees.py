# SPDX-License-Identifier: Apache-2.0
"""A miniature FakeAVCeleb with its quirks, and what writes files of a few bytes."""

from __future__ import annotations

import csv
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
