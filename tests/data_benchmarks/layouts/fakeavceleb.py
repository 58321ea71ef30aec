# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb as released, and with the folders of race renamed as the lists of AVH-Align have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv

HEADER = ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path", ""]
REAL, RVFA, FVRA, FVFA = "RealVideo-RealAudio", "RealVideo-FakeAudio", "FakeVideo-RealAudio", "FakeVideo-FakeAudio"
#: source, target1, target2, method, category, race, file: every method that papers name, and the oddities of targets.
CLIPS = [
    ("id00076", "-", "-", "real", "A", "African", "00109.mp4"),
    ("id00020", "-", "-", "real", "A", "Asian (East)", "00028.mp4"),
    ("id00076", "-", "-", "rtvc", "B", "African", "00109_fake.mp4"),
    ("id00076", "3", "-", "faceswap", "C", "African", "00109_3.mp4"),
    ("id00020", "id00029", "-", "fsgan", "C", "Asian (East)", "00028_id00029_eQTviHjyISo.mp4"),
    ("id00020", "id00043", "-", "wav2lip", "C", "Asian (East)", "00028_id00043_wavtolip.mp4"),
    ("id00076", "10", "id00166", "wav2lip", "D", "African", "00109_10_id00166_wavtolip.mp4"),
    ("id00020", "id00029", "id00043", "fsgan-wav2lip", "D", "Asian (East)", "00028_id00029_a_4_id00043_wavtolip.mp4"),
    ("id00020", "id00043", "-", "faceswap-wav2lip", "D", "Asian (East)", "00028_0_id00043_wavtolip.mp4"),
]
TYPES = {"A": REAL, "B": RVFA, "C": FVRA, "D": FVFA}


def make(root: Path, east: str = "Asian (East)") -> None:
    """Write the index and the clips; the last clip stands in the index twice, with two methods, as 22 do."""
    rows = [
        [source, first, second, method, category, TYPES[category], race, "men", name,
         f"FakeAVCeleb/{TYPES[category]}/{race}/men/{source}"]
        for source, first, second, method, category, race, name in CLIPS
    ]  # fmt: skip
    again = [*rows[-1][:3], "wav2lip", *rows[-1][4:]]
    write_csv(root / "meta_data.csv", [HEADER, *rows, again])
    touch(root, *(f"{row[9].removeprefix('FakeAVCeleb/')}/{row[8]}".replace("Asian (East)", east) for row in rows))


def row(path: str, video_fake: int, audio_fake: int, method: str, kind: str, owner: str, donor: str, pair: str) -> Row:
    east = "Asian" in path
    return Row(
        path, int(bool(video_fake or audio_fake)), video_fake, audio_fake, method, kind, owner, donor, pair,
        "Asian (East)/men" if east else "African/men", language="en", split="train" if east else "test",
    )  # fmt: skip


AFRICAN, EAST = "African/men/id00076", "Asian (East)/men/id00020"
ROWS = (
    row(f"{REAL}/{AFRICAN}/00109.mp4", 0, 0, "real", REAL, "id00076", "", "id00076/00109"),
    row(f"{REAL}/{EAST}/00028.mp4", 0, 0, "real", REAL, "id00020", "", "id00020/00028"),
    row(f"{RVFA}/{AFRICAN}/00109_fake.mp4", 0, 1, "rtvc", RVFA, "id00076", "", "id00076/00109"),
    row(f"{FVRA}/{AFRICAN}/00109_3.mp4", 1, 0, "faceswap", FVRA, "id00076", "", "id00076/00109"),
    row(f"{FVRA}/{EAST}/00028_id00029_eQTviHjyISo.mp4", 1, 0, "fsgan", FVRA, "id00020", "id00029", "id00020/00028"),
    row(f"{FVRA}/{EAST}/00028_id00043_wavtolip.mp4", 1, 0, "wav2lip", FVRA, "id00020", "id00043", "id00020/00028"),
    row(f"{FVFA}/{AFRICAN}/00109_10_id00166_wavtolip.mp4", 1, 1, "wav2lip", FVFA, "id00076", "id00166",
        "id00076/00109"),
    row(f"{FVFA}/{EAST}/00028_id00029_a_4_id00043_wavtolip.mp4", 1, 1, "fsgan-wav2lip", FVFA, "id00020", "id00029",
        "id00020/00028"),
    row(f"{FVFA}/{EAST}/00028_0_id00043_wavtolip.mp4", 1, 1, "faceswap-wav2lip", FVFA, "id00020", "id00043",
        "id00020/00028"),
)  # fmt: skip
RENAMED = tuple(replace(row, path=row.path.replace("Asian (East)", "Asian_East")) for row in ROWS)

LAYOUTS = (
    Layout(
        "released", "fakeavceleb", make, ROWS, problems={"duplicate_row": 1, "bad_target": 1},
        missing=ROWS[2].path, extra=f"{REAL}/{AFRICAN}/00110.mp4", folder=FVFA, half=FVFA,
        half_problems={"missing_file": 3, "missing_folder": 1},
        malformed=(
            Malformed("meta_data.csv", "id00076,-,-,rtvc,B", "id00076,-,-,rtvc,E", "meta_data.csv, line 4",
                      (ROWS[2].path,)),
            Malformed("meta_data.csv", "id00076,-,-,rtvc,B", "id00076,-,-,freevc,B", "meta_data.csv, line 4",
                      (ROWS[2].path,)),
            Malformed("meta_data.csv", "id00076,-,-,rtvc,B", "76,-,-,rtvc,B", "meta_data.csv, line 4", (ROWS[2].path,)),
            Malformed("meta_data.csv", "00109_fake.mp4", "", "meta_data.csv, line 4", (ROWS[2].path,)),
            Malformed("meta_data.csv", ",rtvc,B,RealVideo-FakeAudio,African", ",rtvc", "meta_data.csv, line 4",
                      (ROWS[2].path,)),
        ),
    ),
    Layout(
        "renamed_races", "fakeavceleb", lambda root: make(root, "Asian_East"), RENAMED,
        problems={"duplicate_row": 1, "bad_target": 1}, missing=RENAMED[2].path,
        extra=f"{REAL}/Asian_East/men/id00020/00029.mp4", folder=f"{FVRA}/Asian_East", half=f"{FVRA}/Asian_East",
    ),
)  # fmt: skip
