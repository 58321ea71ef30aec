# SPDX-License-Identifier: Apache-2.0
"""DFDC's training parts as the competition hands them out and as DeepfakeBench lays them out; its test set likewise."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv, write_json

PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "dfdc_train_part_0": {
        "aagfhgtpmv.mp4": {"label": "FAKE", "split": "train", "original": "vudstovrck.mp4"},
        "vudstovrck.mp4": {"label": "REAL", "split": "train", "original": None},
    },
    "dfdc_train_part_49": {
        "abarnvbtwb.mp4": {"label": "REAL", "split": "train"},
        "acxwigylke.mp4": {"label": "FAKE", "split": "train", "original": "ffcwhpnpuw.mp4"},
    },
}


def make_parts(root: Path, place: str, videos: str = "") -> None:
    for part, entries in PARTS.items():
        folder = place.format(part=part)
        write_json(root / folder / "metadata.json", entries)
        touch(root, *(f"{folder}/{videos}{name}" for name in entries))


def part_rows(place: str, videos: str = "") -> tuple[Row, ...]:
    def row(part: str, name: str, fake: int, original: str) -> Row:
        folder = place.format(part=part)
        unknown = -1 if fake else 0
        return Row(
            f"{folder}/{videos}{name}", fake, unknown, unknown, "dfdc" if fake else "real", identity=original,
            pair_id=original, source=part, language="en", split="train",
        )  # fmt: skip

    return (
        row("dfdc_train_part_0", "aagfhgtpmv.mp4", 1, "vudstovrck.mp4"),
        row("dfdc_train_part_0", "vudstovrck.mp4", 0, "vudstovrck.mp4"),
        row("dfdc_train_part_49", "abarnvbtwb.mp4", 0, "abarnvbtwb.mp4"),
        row("dfdc_train_part_49", "acxwigylke.mp4", 1, "ffcwhpnpuw.mp4"),
    )


def parts(name: str, place: str, videos: str = "", **more: Any) -> Layout:
    first = place.format(part="dfdc_train_part_0")
    return Layout(
        name, "dfdc", partial(make_parts, place=place, videos=videos), part_rows(place, videos),
        missing=f"{first}/{videos}aagfhgtpmv.mp4", extra=f"{first}/{videos}zzzzzzzzzz.mp4", **more,
    )  # fmt: skip


#: As the release's metadata.json says it: what was done to a clip in groups of names.
TESTED: dict[str, dict[str, Any]] = {
    "aalscayrfi.mp4": {"augmentations": {"augmenter": {"framerate_change": {"fps": 20}}}, "is_fake": 0},
    "aamrozxzsq.mp4": {"augmentations": {"distractor": {"imgs": {"num_imgs": 2}}}, "is_fake": 1},
    "abdlfvoaia.mp4": {"augmentations": {"augmenter": {"no_audio": {}}, "distractor": {"shapes": {}}}, "is_fake": 1},
    "aarpyivfys.mp4": {"augmentations": {}, "is_fake": 0},
    "abwvsloero.mp4": {"augmentations": {"augmenter": {"no_audio": {}}}, "is_fake": 0},
}
CHANGES = {
    "aalscayrfi.mp4": "framerate_change",
    "aamrozxzsq.mp4": "imgs",
    "abdlfvoaia.mp4": "no_audio+shapes",
    "aarpyivfys.mp4": "clean",
    "abwvsloero.mp4": "no_audio",
}


def make_test(root: Path, videos: str, labels: str = "", described: str = "") -> None:
    if labels:
        write_csv(root / labels, [["filename", "label"], *([name, said["is_fake"]] for name, said in TESTED.items())])
    if described:
        write_json(root / described, TESTED)
    touch(root, *(f"{videos}{name}" for name in TESTED))


def test_rows(videos: str, changes: Mapping[str, str], split: str = "test") -> tuple[Row, ...]:
    def row(name: str, fake: int) -> Row:
        change = changes.get(name, "")
        sound = -1 if fake or "no_audio" in change else 0
        return Row(
            f"{videos}{name}", fake, -1 if fake else 0, sound, "dfdc" if fake else "real", change, language="en",
            split=split,
        )  # fmt: skip

    return tuple(row(name, said["is_fake"]) for name, said in TESTED.items())


LAYOUTS = (
    parts(
        "parts", "{part}", folder="dfdc_train_part_0", half="dfdc_train_part_49", half_problems={},
        malformed=(
            Malformed("dfdc_train_part_0/metadata.json", '"FAKE"', '"fake?"',
                      "dfdc_train_part_0/metadata.json, 'aagfhgtpmv.mp4'",
                      ("dfdc_train_part_0/aagfhgtpmv.mp4",)),
            Malformed("dfdc_train_part_0/metadata.json", '"train", "original": null', '"dev"',
                      "dfdc_train_part_0/metadata.json, 'vudstovrck.mp4'", ("dfdc_train_part_0/vudstovrck.mp4",)),
            Malformed("dfdc_train_part_49/metadata.json", '{"label": "REAL", "split": "train"}', '"REAL"',
                      "dfdc_train_part_49/metadata.json, 'abarnvbtwb.mp4'", ("dfdc_train_part_49/abarnvbtwb.mp4",)),
        ),
    ),
    parts("parts_in_their_archives_folder", "dfdc_train_part_00/{part}", folder="dfdc_train_part_00",
          half="dfdc_train_part_00/dfdc_train_part_49", half_problems={}),
    parts("deepfakebench", "train/{part}", "videos/", folder="train/dfdc_train_part_0/videos",
          half="train/dfdc_train_part_0/videos"),
    Layout(
        "released", "dfdc_test",
        partial(make_test, videos="test_videos/", labels="labels.csv", described="metadata.json"),
        test_rows("test_videos/", CHANGES), missing="test_videos/aamrozxzsq.mp4", extra="test_videos/zzzzzzzzzz.mp4",
        folder="test_videos", half="test_videos", half_problems=None,
        malformed=(
            Malformed("labels.csv", "aamrozxzsq.mp4,1", "aamrozxzsq.mp4,2", "labels.csv, line 3"),
            Malformed("metadata.json", '{"num_imgs": 2}}}, "is_fake": 1', '{"num_imgs": 2}}}, "is_fake": "?"',
                      "metadata.json, 'aamrozxzsq.mp4'"),
        ),
    ),
    Layout(
        "deepfakebench", "dfdc_test", partial(make_test, videos="test/videos/", labels="test/labels.csv"),
        test_rows("test/videos/", {}), missing="test/videos/aamrozxzsq.mp4", extra="test/videos/zzzzzzzzzz.mp4",
        folder="test/videos", half="test/videos", half_problems=None,
    ),
    Layout(
        "selfblendedimages", "dfdc_test", partial(make_test, videos="videos/", labels="labels.csv"),
        test_rows("videos/", {}), missing="videos/aalscayrfi.mp4", extra="videos/zzzzzzzzzz.mp4", folder="videos",
        half="videos", half_problems=None,
        malformed=(
            Malformed("labels.csv", "aamrozxzsq.mp4,1", "aamrozxzsq.mp4", "labels.csv, line 3",
                      ("videos/aamrozxzsq.mp4",)),
            Malformed("labels.csv", "aamrozxzsq.mp4,1", ",1", "labels.csv, line 3", ("videos/aamrozxzsq.mp4",)),
        ),
    ),
    Layout(
        "public_test_set", "dfdc_test", partial(make_test, videos="validation/videos/", labels="validation/labels.csv"),
        test_rows("validation/videos/", {}, "val"), missing="validation/videos/aalscayrfi.mp4",
        extra="validation/videos/zzzzzzzzzz.mp4", folder="validation", half="validation/videos", half_problems=None,
    ),
)  # fmt: skip
