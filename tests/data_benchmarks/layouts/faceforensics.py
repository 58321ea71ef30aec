# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ and DFD as released, as LipForensics lays them out, and as their copies on Kaggle."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_json

#: A pair of sequences in each list; 000 and 003 are in the official test list, too.
PAIRS = {"train": ["071", "054"], "val": ["720", "672"], "test": ["000", "003"]}
SPLITS = {name: split for split, pair in PAIRS.items() for name in pair}
SCENES = ("01__exit_phone_room", "02__hugging_happy")
SWAPPED = ("01_02__exit_phone_room__YVGY8LOK", "02_01__hugging_happy__0XUW13RW")


def lists(root: Path, folder: str = "") -> None:
    for split, pair in PAIRS.items():
        write_json(root / f"{folder}{split}.json", [pair])


def videos(folder: str, names: tuple[str, ...]) -> list[str]:
    return [f"{folder}/{name}.mp4" for name in names]


ORIGINALS = tuple(SPLITS)
FORGERIES = tuple(f"{a}_{b}" for pair in PAIRS.values() for a, b in (pair, pair[::-1]))


def original(folder: str, name: str, compression: str) -> Row:
    return Row(f"{folder}/{name}.mp4", 0, 0, -1, "real", compression, name, "", name, "youtube", split=SPLITS[name])


def forgery(folder: str, name: str, method: str, compression: str) -> Row:
    target, source = name.split("_")
    return Row(
        f"{folder}/{name}.mp4", 1, 1, -1, method, compression, target, source, target, "youtube", split=SPLITS[target]
    )


def scenes(folder: str, compression: str, split: str) -> tuple[Row, ...]:
    return (
        Row(f"{folder}/{SCENES[0]}.mp4", 0, 0, -1, "real", compression, "actor_01", "", "01__exit_phone_room", "actors",
            "dfd", split=split),
        Row(f"{folder}/{SCENES[1]}.mp4", 0, 0, -1, "real", compression, "actor_02", "", "02__hugging_happy", "actors",
            "dfd", split=split),
    )  # fmt: skip


def swapped_scenes(folder: str, compression: str, split: str) -> tuple[Row, ...]:
    return (
        Row(f"{folder}/{SWAPPED[0]}.mp4", 1, 1, -1, "DeepFakeDetection", compression, "actor_01", "actor_02",
            "01__exit_phone_room", "actors", "dfd", split=split),
        Row(f"{folder}/{SWAPPED[1]}.mp4", 1, 1, -1, "DeepFakeDetection", compression, "actor_02", "actor_01",
            "02__hugging_happy", "actors", "dfd", split=split),
    )  # fmt: skip


REAL_C23, REAL_RAW = "original_sequences/youtube/c23/videos", "original_sequences/youtube/raw/videos"
ACTORS = "original_sequences/actors/c23/videos"
DEEPFAKES = "manipulated_sequences/Deepfakes/c23/videos"
REAL_C40 = "original_sequences/youtube/c40/videos"
SHIFTER = "manipulated_sequences/FaceShifter/raw/videos"
TEXTURES = "manipulated_sequences/NeuralTextures/c40/videos"
DFD = "manipulated_sequences/DeepFakeDetection/c23/videos"
MASK = "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4"


def released(root: Path, folder: str = "", own: bool = True, dfd: bool = True) -> None:
    """Write the release: three compressions, masks beside the forgeries, and frames that loaders cut."""
    if own:
        lists(root, folder)
        for folder in (REAL_C23, REAL_RAW, REAL_C40):
            touch(root, *videos(folder, ORIGINALS))
        for folder in (DEEPFAKES, SHIFTER, TEXTURES):
            touch(root, *videos(folder, FORGERIES))
        touch(root, MASK, "original_sequences/youtube/c23/frames/000/000.png")
    if dfd:
        touch(root, *videos(ACTORS, SCENES), *videos(DFD, SWAPPED))


def lipforensics(root: Path) -> None:
    lists(root, "splits/")
    touch(root, *videos("RealFF/c23/videos", ORIGINALS), *videos("NeuralTextures/c23/videos", FORGERIES))


def kaggle(root: Path) -> None:
    for folder in ("original", "Face2Face"):
        names = ORIGINALS if folder == "original" else FORGERIES
        touch(root / "FaceForensics++_C23", *videos(folder, names))
    lists(root / "FaceForensics++_C23")


def kaggle_dfd(root: Path) -> None:
    touch(root, *videos("DFD_original sequences", SCENES))
    touch(root, *videos("DFD_manipulated_sequences/DFD_manipulated_sequences", SWAPPED))


OWN = (
    *(original(REAL_C23, name, "c23") for name in ORIGINALS),
    *(original(REAL_RAW, name, "raw") for name in ORIGINALS),
    *(original(REAL_C40, name, "c40") for name in ORIGINALS),
    *(forgery(DEEPFAKES, name, "Deepfakes", "c23") for name in FORGERIES),
    *(forgery(SHIFTER, name, "FaceShifter", "raw") for name in FORGERIES),
    *(forgery(TEXTURES, name, "NeuralTextures", "c40") for name in FORGERIES),
)
WITH_DFD = (*OWN, *scenes(ACTORS, "c23", ""), *swapped_scenes(DFD, "c23", ""))

LAYOUTS = (
    Layout(
        "released", "faceforensics", released, WITH_DFD, problems={"no_clip": 1, "no_official_split": 1},
        missing=f"{DEEPFAKES}/003_000.mp4", extra=f"{REAL_C23}/0000.mp4", extra_problems={"bad_name": 1},
        folder="original_sequences/youtube", half=REAL_C40, half_problems={"missing_folder": 1},
        malformed=(
            Malformed("train.json", '["071", "054"]', '["071", "054"], ["54"]', "train.json, entry 2"),
            Malformed("val.json", '["720", "672"]', '["720", "672"], 7', "val.json, entry 2"),
        ),
    ),
    Layout(
        "lists_in_splits", "faceforensics", partial(released, folder="dataset/splits/", dfd=False), OWN,
        problems={"no_clip": 1}, missing=f"{REAL_RAW}/000.mp4", extra=f"{REAL_RAW}/0000.mp4",
        extra_problems={"bad_name": 1},
        folder="manipulated_sequences", half=REAL_RAW, half_problems={"missing_folder": 1},
    ),
    Layout(
        "lipforensics", "faceforensics", lipforensics,
        (*(original("RealFF/c23/videos", name, "c23") for name in ORIGINALS),
         *(forgery("NeuralTextures/c23/videos", name, "NeuralTextures", "c23") for name in FORGERIES)),
        missing="RealFF/c23/videos/003.mp4", extra="RealFF/c23/videos/loose.mp4", extra_problems={"bad_name": 1},
        folder="NeuralTextures", half="RealFF", half_problems={"missing_folder": 1},
    ),
    Layout(
        "kaggle_c23", "faceforensics", kaggle,
        (*(original("FaceForensics++_C23/original", name, "c23") for name in ORIGINALS),
         *(forgery("FaceForensics++_C23/Face2Face", name, "Face2Face", "c23") for name in FORGERIES)),
        missing="FaceForensics++_C23/Face2Face/000_003.mp4", extra="FaceForensics++_C23/csv/000.mp4",
        extra_problems={"unknown_folder": 1},
        folder="FaceForensics++_C23", half="FaceForensics++_C23/original", half_problems={"missing_folder": 1},
    ),
    Layout(
        "released", "dfd", partial(released, own=False),
        (*scenes(ACTORS, "c23", "test"), *swapped_scenes(DFD, "c23", "test")),
        missing=f"{ACTORS}/{SCENES[0]}.mp4", missing_problems={}, extra=f"{DFD}/01_02__hugging_happy.mp4",
        extra_problems={"bad_name": 1}, folder="original_sequences", half=DFD, half_problems={"missing_folder": 1},
    ),
    Layout(
        "kaggle", "dfd", kaggle_dfd,
        (*scenes("DFD_original sequences", "", "test"),
         *swapped_scenes("DFD_manipulated_sequences/DFD_manipulated_sequences", "", "test")),
        missing=f"DFD_original sequences/{SCENES[0]}.mp4", missing_problems={},
        extra=f"DFD_original sequences/masks/{SCENES[0]}.mp4", extra_problems={"no_clip": 1},
        folder="DFD_original sequences", half="DFD_original sequences", half_problems={"missing_folder": 1},
    ),
)  # fmt: skip
