# SPDX-License-Identifier: Apache-2.0
"""KoDF as AI-Hub hands it out (lists in Korean, archives with folders of many kinds) and as the authors did abroad."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv

REAL_HEADER = ["영상ID", "UUID", "인물성별", "촬영장소", "촬영시작", "스크립트파일", "시나리오번호"]
FAKE_HEADER = ["영상ID", "타겟영상", "타겟UUID", "소스UUID", "변조모델", "촬영시작", "인물성별"]
ANN, BOB, EVE = "6f3dbaa27f5a4d5f9f2c", "0c11e1cd75d24e2b8f58", "93b7a3a6a25c4c0f8d10"


def real(clip: str, person: str) -> list[str]:
    return [clip, person, "여성", "실내", "2020.07.24", "s.txt", "1"]


def fake(clip: str, original: str, target: str, donor: str, method: str) -> list[str]:
    return [clip, original, target, donor, method, "2020.07.24", "여성"]


#: List (split and class) to its rows; folder to the videos in it.
LISTS = {
    "1.Training/라벨링데이터/train_meta_data/원본영상_training_메타데이터.csv": [
        REAL_HEADER, real(f"{ANN}_001.mp4", ANN), real(f"{BOB}_001.mp4", BOB),
    ],
    "1.Training/라벨링데이터/train_meta_data/변조영상_training_메타데이터.csv": [
        FAKE_HEADER,
        fake(f"{ANN}_{BOB}_1_0001.mp4", f"{ANN}_001.mp4", ANN, BOB, "dfl"),
        fake(f"{BOB}_{ANN}_2_0001.mp4", f"{BOB}_001.mp4", BOB, ANN, "audio-driven"),
    ],
    "2.Validation/라벨링데이터/validate_meta_data/원본영상_validation_메타데이터.csv": [
        REAL_HEADER, real(f"{EVE}_003.mp4", EVE),
    ],
    "2.Validation/라벨링데이터/validate_meta_data/변조영상_validation_메타데이터.csv": [
        FAKE_HEADER, fake(f"{EVE}_{EVE}_1_0002.mp4", f"{EVE}_003.mp4", EVE, EVE, "fsgan"),
    ],
}  # fmt: skip
TRAIN, VALID = "1.Training/원천데이터", "2.Validation/원천데이터"
VIDEOS = (
    f"{TRAIN}/train_원본/원본1/{ANN}/{ANN}_001.mp4",
    f"{TRAIN}/train_원본/원본1/{BOB}/{BOB}_001.mp4",
    f"{TRAIN}/train_변조/dfl1/{ANN}/{ANN}_{BOB}_1_0001.mp4",
    f"{TRAIN}/train_변조/audio_driven1/{BOB}/{BOB}_{ANN}_2_0001.mp4",
    f"{VALID}/validate_원본/원본1/{EVE}/{EVE}_003.mp4",
    f"{VALID}/validate_변조/fsgan1/{EVE}/{EVE}_{EVE}_1_0002.mp4",
    f"{TRAIN}/train_탐지방해/변조영상/01_noise/{ANN}_{BOB}_1_0001.mp4",
)


def aihub(root: Path) -> None:
    for path, rows in LISTS.items():
        write_csv(root / path, rows)
    touch(root, *VIDEOS)


def row(path: str, method: str, owner: str, donor: str, pair: str, split: str, category: str = "") -> Row:
    label = int(method != "real")
    return Row(
        path, label, label, -1 if label else 0, method, category or ("fake" if label else "real"), owner, donor, pair,
        language="ko", split=split,
    )  # fmt: skip


AIHUB = (
    row(VIDEOS[0], "real", ANN, "", f"{ANN}_001", "train"),
    row(VIDEOS[1], "real", BOB, "", f"{BOB}_001", "train"),
    row(VIDEOS[2], "dfl", ANN, BOB, f"{ANN}_001", "train"),
    row(VIDEOS[3], "audio-driven", BOB, ANN, f"{BOB}_001", "train"),
    row(VIDEOS[4], "real", EVE, "", f"{EVE}_003", "val"),
    row(VIDEOS[5], "fsgan", EVE, EVE, f"{EVE}_003", "val"),
    row(VIDEOS[6], "disturbed", ANN, BOB, "", "train", "disturbed"),
)
REAL_LIST, FAKE_LIST, *_ = LISTS

RELEASE = (
    f"original_videos/{ANN}/{ANN}_001.mp4",
    f"original_videos/{BOB}/{BOB}_001.mp4",
    f"synthesized_videos/fo/{ANN}/{ANN}_{BOB}_1_0001.mp4",
    f"synthesized_videos/audio-driven/{BOB}_{ANN}_2_0001.mp4",
)


def release(root: Path, above: str) -> None:
    touch(root, *(f"{above}{path}" for path in RELEASE))


def released(above: str) -> tuple[Row, ...]:
    return (
        row(f"{above}{RELEASE[0]}", "real", ANN, "", f"{ANN}_001", ""),
        row(f"{above}{RELEASE[1]}", "real", BOB, "", f"{BOB}_001", ""),
        row(f"{above}{RELEASE[2]}", "fo", ANN, BOB, "", ""),
        row(f"{above}{RELEASE[3]}", "audio-driven", BOB, ANN, "", ""),
    )


LAYOUTS = (
    Layout(
        "aihub", "kodf", aihub, AIHUB, missing=VIDEOS[2], missing_problems={"missing_file": 1},
        extra=f"{TRAIN}/train_변조/dfl1/{ANN}/{ANN}_{EVE}_1_0009.mp4", folder=f"{TRAIN}/train_변조/dfl1",
        half=f"{TRAIN}/train_원본", half_problems={"missing_file": 2},
        malformed=(
            Malformed(REAL_LIST, f"{BOB}_001.mp4,{BOB}", f"{BOB}_001.mp4,",
                      "원본영상_training_메타데이터.csv, line 3", (VIDEOS[1],)),
            Malformed(FAKE_LIST, f"{BOB}_001.mp4,{BOB},{ANN}", f"{BOB}_001.mp4,,{ANN}",
                      "변조영상_training_메타데이터.csv, line 3", (VIDEOS[3],)),
            Malformed(FAKE_LIST, f"{BOB}_001.mp4,{BOB},{ANN},audio-driven", f"{BOB}_001.mp4",
                      "변조영상_training_메타데이터.csv, line 3", (VIDEOS[3],)),
        ),
    ),
    Layout(
        "released_abroad", "kodf", partial(release, above=""), released(""), missing=RELEASE[2], missing_problems={},
        extra="loose/1.mp4", folder="original_videos", half="synthesized_videos/fo", half_problems={},
    ),
)  # fmt: skip
