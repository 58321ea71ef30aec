# SPDX-License-Identifier: Apache-2.0
"""Deepfake-Eval-2024 as released: labels of picture and sound of their own, and a comment with a line break."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv

VIDEO_HEADER = ["Filename", "Date", "Video Ground Truth", "Audio Ground Truth", "Public Comments", "Finetuning Set"]
AUDIO_HEADER = ["Filename", "Date", "Ground Truth", "Public Comments", "Finetuning Set"]
VIDEOS = [
    ["-0-Kb7EGTpqd.mp4", "2024-11-14", "Fake", "Unknown", "lip sync is off", "train"],
    ["oU0MuTlffWBW.mp4", "2024-11-14", "Fake", "Fake", 'a "quoted" word, and\na line break', "test"],
    ["N5cLQEZoxDfU.mp4", "2024-11-13", "Real", "Fake", "", "train"],
    ["HICemuEclIn-.mp4", "2024-11-11", "Real", "Real", "", "test"],
    ["FIjjC7P86NKy.mp4", "2024-11-05", "Real", "Unknown", "edited", "test"],
    ["V3Pa18IAzPjt.mp4", "2024-10-29", "Unknown", "Unknown", "", "test"],
]
SOUNDS = [
    ["N5cLQEZoxDfU.mp3", "2024-11-13", "Fake", "", "Train"],
    ["kAaNHcuBnFPn.m4a", "2024-11-05", "Real", "", "Test"],
]


def make(root: Path, suffix: str) -> None:
    write_csv(root / f"video-metadata-publish{suffix}.csv", [VIDEO_HEADER, *VIDEOS])
    write_csv(root / f"audio-metadata-publish{suffix}.csv", [AUDIO_HEADER, *SOUNDS])
    touch(root, *(f"video-data/{row[0]}" for row in VIDEOS), *(f"audio-data/{row[0]}" for row in SOUNDS))
    touch(root, "image-data/a.jpg")


def video(name: str, picture: int, sound: int, split: str, category: str) -> Row:
    label = int(1 in (picture, sound))
    method = "in-the-wild" if label else "real"
    return Row(
        f"video-data/{name}.mp4", label, picture, sound, method, category, pair_id=name, source="video", split=split
    )


ROWS = (
    video("-0-Kb7EGTpqd", 1, -1, "train", "video fake, audio unknown"),
    video("oU0MuTlffWBW", 1, 1, "test", "video fake, audio fake"),
    video("N5cLQEZoxDfU", 0, 1, "train", "video real, audio fake"),
    video("HICemuEclIn-", 0, 0, "test", "video real, audio real"),
    video("FIjjC7P86NKy", 0, -1, "test", "video real, audio unknown"),
    Row("audio-data/N5cLQEZoxDfU.mp3", 1, -1, 1, "in-the-wild", "audio alone", pair_id="N5cLQEZoxDfU", source="audio",
        split="train"),
    Row("audio-data/kAaNHcuBnFPn.m4a", 0, -1, 0, "real", "audio alone", pair_id="kAaNHcuBnFPn", source="audio",
        split="test"),
)  # fmt: skip


def layout(name: str, suffix: str) -> Layout:
    index = f"video-metadata-publish{suffix}.csv"
    return Layout(
        name, "deepfake_eval_2024", partial(make, suffix=suffix), ROWS, problems={"no_label": 1},
        missing="video-data/N5cLQEZoxDfU.mp4", extra="video-data/zzzzzzzzzzzz.mp4", folder="video-data",
        half="audio-data",
        malformed=(
            Malformed(index, "2024-11-13,Real,Fake", "2024-11-13,Real,Maybe", f"{index}, line 5",
                      ("video-data/N5cLQEZoxDfU.mp4",)),
            Malformed(index, "2024-11-11,Real,Real", "2024-11-11", f"{index}, line 6",
                      ("video-data/HICemuEclIn-.mp4",)),
            Malformed(index, "lip sync is off,train", "lip sync is off,exam", f"{index}, line 2",
                      ("video-data/-0-Kb7EGTpqd.mp4",)),
        ),
    )  # fmt: skip


LAYOUTS = (layout("released", ""), layout("with_links", "-with-links"))
