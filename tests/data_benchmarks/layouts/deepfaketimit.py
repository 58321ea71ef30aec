# SPDX-License-Identifier: Apache-2.0
"""DeepfakeTIMIT with VidTIMIT's videos beside it, and both in one folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cad.data.manifest import Row
from layouts.layout import Layout, touch

QUALITIES = ("lower_quality", "higher_quality")
SWAPS = (("fadg0", "sa1", "fram1"), ("fram1", "sx405", "fadg0"))


def make(root: Path, fakes: str, reals: str, video: str) -> None:
    """Write swaps with their sound beside, and the genuine videos."""
    for quality in QUALITIES:
        for speaker, sentence, donor in SWAPS:
            folder = f"{fakes}{quality}/{speaker}"
            touch(root, f"{folder}/{sentence}-video-{donor}.avi", f"{folder}/{sentence}.wav")
    touch(root, *(f"{reals}/{speaker}/{video}{sentence}.avi" for speaker, sentence, _ in SWAPS))


def rows(fakes: str, reals: str, video: str) -> tuple[Row, ...]:
    forged = [
        Row(f"{fakes}{quality}/{speaker}/{sentence}-video-{donor}.avi", 1, 1, 0, "faceswap-gan", quality, speaker,
            donor, f"{speaker}/{sentence}", quality, language="en")
        for quality in QUALITIES
        for speaker, sentence, donor in SWAPS
    ]  # fmt: skip
    genuine = [
        Row(f"{reals}/{speaker}/{video}{sentence}.avi", 0, 0, 0, "real", "real", speaker, "", f"{speaker}/{sentence}",
            "vidtimit", language="en")
        for speaker, sentence, _ in SWAPS
    ]  # fmt: skip
    return (*forged, *genuine)


def layout(name: str, fakes: str, reals: str, video: str) -> Layout:
    return Layout(
        name, "deepfaketimit", partial(make, fakes=fakes, reals=reals, video=video), rows(fakes, reals, video),
        missing=f"{fakes}higher_quality/fadg0/sa1-video-fram1.avi", missing_problems={},
        extra=f"{fakes}higher_quality/fadg0/sa2.avi", extra_problems={"bad_name": 1},
        folder=f"{fakes}higher_quality", half=f"{fakes}lower_quality", half_problems={"missing_folder": 1},
    )  # fmt: skip


LAYOUTS = (
    layout("released", "", "vidtimit", "video/"),
    layout("both_sets_in_one_folder", "DeepfakeTIMIT/", "VidTIMIT", ""),
)
