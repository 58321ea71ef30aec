# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 5: as unpacked, as AntiDeepfake's protocols want it, and the first release with six columns."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_lines

TRAIN = ["T_4850 T_0000000000 F - - - AC3 A05 spoof -", "T_0002 T_0000000001 M - - - - bonafide bonafide -"]
DEV = ["D_4461 D_0000000169 F - - - AC1 A14 spoof -", "D_0461 D_0000000190 M - - - - bonafide bonafide -"]
EVAL = [
    "E_0001 E_0000000000 F C01 1 E_0000000009 AC1 A17 spoof -", "E_0002 E_0000000001 M - 0 - - bonafide bonafide -",
]  # fmt: skip


def released(root: Path, protocols: str = "ASVspoof5_protocols", folders=("flac_T", "flac_D", "flac_E_eval")) -> None:
    write_lines(root / protocols / "ASVspoof5.train.tsv", TRAIN)
    write_lines(root / protocols / "ASVspoof5.dev.track_1.tsv", DEV)
    write_lines(root / protocols / "ASVspoof5.eval.track_1.tsv", EVAL)
    # Track 2: trials of speaker verification, and utterances that enrol a speaker (no trials of track 1).
    write_lines(root / protocols / "ASVspoof5.dev.track_2.trial.tsv", ["D_0461 D_0000000169 M A14 spoof"])
    write_lines(root / protocols / "ASVspoof5.dev.track_2.enroll.tsv", ["D_0461 D_0000000777,D_0000000778"])
    names = ("T_0000000000", "T_0000000001"), ("D_0000000169", "D_0000000190"), ("E_0000000000", "E_0000000001")
    for folder, files in zip(folders, names, strict=True):
        touch(root, *(f"{folder}/{name}.flac" for name in files))
    touch(root, f"{folders[1]}/D_0000000777.flac")


def by_part(root: Path) -> None:
    released(root, ".", ("ASVspoof5_train/flac_T", "ASVspoof5_dev/flac_D", "ASVspoof5_eval/flac_E_eval"))


def row(path, label, method, speaker, split, note, category="none", pair_id=""):
    return Row(
        path, label, -1, label, method, category, speaker, pair_id=pair_id or path.split("/")[-1].removesuffix(".flac"),
        split=split, language="en", note=note,
    )  # fmt: skip


def rows(train: str, dev: str, eval_: str) -> tuple[Row, ...]:
    return (
        row(f"{train}/T_0000000000.flac", 1, "A05", "T_4850", "train", "gender=F adaptation=AC3"),
        row(f"{train}/T_0000000001.flac", 0, "real", "T_0002", "train", "gender=M"),
        row(f"{dev}/D_0000000169.flac", 1, "A14", "D_4461", "val", "gender=F adaptation=AC1"),
        row(f"{dev}/D_0000000190.flac", 0, "real", "D_0461", "val", "gender=M"),
        row(f"{eval_}/E_0000000000.flac", 1, "A17", "E_0001", "test", "gender=F codec_quality=1 adaptation=AC1", "C01",
            "E_0000000009"),
        row(f"{eval_}/E_0000000001.flac", 0, "real", "E_0002", "test", "gender=M codec_quality=0"),
    )  # fmt: skip


def first_release(root: Path) -> None:
    write_lines(root / "ASVspoof5.train.metadata.txt", [
        "T_4850 T_0000000000 F - A05 spoof", "T_0002 T_0000000001 M - bonafide bonafide",
    ])  # fmt: skip
    touch(root, "flac_T/T_0000000000.flac", "flac_T/T_0000000001.flac")


FIRST = (
    row("flac_T/T_0000000000.flac", 1, "A05", "T_4850", "train", "gender=F"),
    row("flac_T/T_0000000001.flac", 0, "real", "T_0002", "train", "gender=M"),
)

LAYOUTS = (
    Layout(
        "released", "asvspoof5", released, rows("flac_T", "flac_D", "flac_E_eval"), problems={"not_a_trial": 1},
        missing="flac_D/D_0000000169.flac", extra="flac_E_eval/E_0000000099.flac", folder="flac_T", half="flac_E_eval",
        malformed=(
            Malformed("ASVspoof5_protocols/ASVspoof5.train.tsv", "A05 spoof -", "A05 fake -",
                      "ASVspoof5.train.tsv, line 1", ("flac_T/T_0000000000.flac",)),
            Malformed("ASVspoof5_protocols/ASVspoof5.train.tsv", "T_0000000000 F - - -", "T_0000000000 F",
                      "ASVspoof5.train.tsv, line 1", ("flac_T/T_0000000000.flac",)),
        ),
    ),
    Layout(
        "by_part", "asvspoof5", by_part, rows("ASVspoof5_train/flac_T", "ASVspoof5_dev/flac_D",
        "ASVspoof5_eval/flac_E_eval"), problems={"not_a_trial": 1}, missing="ASVspoof5_dev/flac_D/D_0000000169.flac",
        extra="ASVspoof5_train/flac_T/T_0000000099.flac", folder="ASVspoof5_eval/flac_E_eval", half="ASVspoof5_train",
    ),
    Layout(
        "first_release", "asvspoof5", first_release, FIRST, missing="flac_T/T_0000000001.flac",
        extra="flac_T/T_0000000009.flac", folder="flac_T", half="flac_T", half_problems=None,
    ),
)  # fmt: skip
