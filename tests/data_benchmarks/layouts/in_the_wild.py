# SPDX-License-Identifier: Apache-2.0
"""In-the-Wild: as released, and as mirrors sort it."""

from __future__ import annotations

from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, Malformed, touch, write_csv

TABLE = [
    ["file", "speaker", "label"], ["0.wav", "Alec Guinness", "spoof"], ["1.wav", "Alec Guinness", "bona-fide"],
    ["2.wav", "Barack Obama", "spoof"], ["3.wav", "Hillary, née Rodham", "bona-fide"],
]  # fmt: skip


def released(root: Path) -> None:
    folder = root / "release_in_the_wild"
    write_csv(folder / "meta.csv", TABLE)
    touch(folder, "0.wav", "1.wav", "2.wav", "3.wav")


def sorted_by_class(root: Path) -> None:
    write_csv(root / "meta.csv", TABLE)
    touch(root, "fake/0.wav", "real/1.wav", "fake/2.wav", "real/3.wav")


def rows(*paths: str) -> tuple[Row, ...]:
    told = [(1, "Alec Guinness"), (0, "Alec Guinness"), (1, "Barack Obama"), (0, "Hillary, née Rodham")]
    return tuple(
        Row(path, label, -1, label, "spoof" if label else "real", identity=speaker, language="en")
        for path, (label, speaker) in zip(paths, told, strict=True)
    )


RELEASED = rows(*(f"release_in_the_wild/{number}.wav" for number in range(4)))

LAYOUTS = (
    Layout(
        "released", "in_the_wild", released, RELEASED, missing="release_in_the_wild/2.wav",
        extra="release_in_the_wild/31778.wav", folder="release_in_the_wild", half="release_in_the_wild",
        # The index goes with the clips.
        half_problems=None,
        malformed=(
            Malformed("release_in_the_wild/meta.csv", "Barack Obama,spoof", "Barack Obama,maybe", "meta.csv, line 4",
                      ("release_in_the_wild/2.wav",)),
            Malformed("release_in_the_wild/meta.csv", "2.wav,Barack Obama,spoof", "2.wav", "meta.csv, line 4",
                      ("release_in_the_wild/2.wav",)),
        ),
    ),
    Layout(
        "sorted_by_class", "in_the_wild", sorted_by_class, rows("fake/0.wav", "real/1.wav", "fake/2.wav", "real/3.wav"),
        missing="real/1.wav", extra="fake/77.wav", folder="fake", half="fake",
        # A mirror without its folder leaves names alone.
        half_problems={"missing_file": 2},
    ),
)  # fmt: skip
