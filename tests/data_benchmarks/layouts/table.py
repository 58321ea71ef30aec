# SPDX-License-Identifier: Apache-2.0
"""A set of one's own, listed in a CSV file."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv

TABLE = [
    ["path", "label", "method", "identity", "fake_segments", "audio_fake_segments", "split", "dataset", "colour"],
    ["clips/1.mp4", "bonafide", "", "ann", "", "", "test", "", "blue"],
    ["clips/2, again.mp4", "Fake", "vits", "bob", "[[0.5, 1.0]]", "[[0.5, 1.0]]", "test", "", "red"],
    ["more/3.wav", "0", "", "cem", "", "", "hidden", "mine", "red"],
    ["more/4.wav", "1", "tts", "", "", "", "hidden", "mine", "red"],
]


def make(root: Path) -> None:
    write_csv(root / "labels.csv", TABLE)
    touch(root, *(line[0] for line in TABLE[1:]))


STRETCH = ((0.5, 1.0),)
ROWS = (
    Row("clips/1.mp4", 0, identity="ann", split="test"),
    Row("clips/2, again.mp4", 1, method="vits", identity="bob", split="test", fake_segments=STRETCH,
        audio_fake_segments=STRETCH),
    Row("more/3.wav", 0, identity="cem", split="hidden", dataset="mine"),
    Row("more/4.wav", 1, method="tts", split="hidden", dataset="mine"),
)  # fmt: skip

LAYOUTS = (
    Layout(
        "labels", "table", make, ROWS, missing="more/4.wav", extra="clips/9.mp4", folder="clips", half="more",
        malformed=(
            Malformed("labels.csv", 'mp4",Fake', 'mp4",perhaps', "labels.csv, line 3", ("clips/2, again.mp4",)),
            Malformed("labels.csv", '"[[0.5, 1.0]]","[[0.5, 1.0]]"', 'half,"[[0.5, 1.0]]"', "labels.csv, line 3",
                      ("clips/2, again.mp4",)),
            Malformed("labels.csv", "more/4.wav,1,tts", "more/4.wav,1", "labels.csv, line 5", ("more/4.wav",)),
        ),
    ),
)  # fmt: skip
