# SPDX-License-Identifier: Apache-2.0
"""Files that are valid but odd: what is read of them is what they were made of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import odd_clips, odd_media, odd_verdicts
from benchmarks.odd_clips import Part, Plan, Stream
from requirements import needs

from cad.clock import SAMPLES_PER_FRAME
from cad.media.reader import MediaReader, open_media
from cad.media.records import AudioSamples, VideoFrames


def read(count: int, seed: int, first: int = 0) -> dict[str, object]:
    return odd_media.run(argparse.Namespace(count=count, first=first, seed=seed, keep=None))


def judge(count: int, seed: int, first: int = 0) -> dict[str, object]:
    return odd_verdicts.run(argparse.Namespace(count=count, first=first, seed=seed, keep=None))


def test_forty_odd_files_are_read_rightly() -> None:
    figures = read(40, seed=3)
    assert figures["ok"], figures["wrong_files"]


@needs("cpu_runtime")
def test_eight_odd_files_are_judged_rightly() -> None:
    figures = judge(8, seed=3)
    assert figures["ok"], figures["wrong_files"]


@pytest.mark.slow
def test_four_hundred_odd_files_are_read_rightly() -> None:
    figures = read(400, seed=4)
    assert figures["ok"], figures["wrong_files"]


@needs("cpu_runtime")
@pytest.mark.slow
def test_sixty_odd_files_are_judged_rightly() -> None:
    figures = judge(60, seed=4)
    assert figures["ok"], figures["wrong_files"]


def test_the_code_of_a_picture_and_of_a_sound_can_be_read() -> None:
    picture = odd_clips.code_picture(12.34, 3, 160, 96)
    told = odd_clips.read_picture(np.repeat(picture[..., None], 3, axis=2))
    assert told is not None and told[1] == 3 and abs(told[0] - 12.34) <= 0.01
    assert odd_clips.read_picture(np.zeros((96, 160, 3), np.uint8)) is None
    times = 7.03 + np.arange(2240) / 16_000
    cell, number, level = odd_clips.read_sound(odd_clips.code_sound(times, 2).astype(np.float32))
    assert (cell, number) == (35, 2) and level > 0.1


class Late:
    """Reads a file, and tells everything by some slots late."""

    def __init__(self, reader: MediaReader, slots: int) -> None:
        self.reader, self.slots = reader, slots

    def video_chunks(self, number: int) -> Iterator[VideoFrames]:
        for chunk in self.reader.video_chunks(number):
            yield VideoFrames(chunk.first_slot + self.slots, chunk.frames, chunk.present)

    def audio(self, number: int) -> AudioSamples:
        audio = self.reader.audio(number)
        assert audio is not None
        empty = np.zeros(self.slots * SAMPLES_PER_FRAME, np.float32)
        return AudioSamples(np.concatenate([empty, audio.samples]), np.pad(audio.present, (self.slots, 0)))


@pytest.mark.parametrize("slots", [0, 5])
def test_a_clock_that_is_late_is_called_wrong(tmp_path: Path, slots: int) -> None:
    plan = Plan(
        ".mkv",
        (
            Stream("video", 1, "mjpeg", (Part(0.0, 2.0),)),
            Stream("audio", 1, "pcm_s16le", (Part(0.0, 2.0),)),
        ),
        lengths=(2.0,),
    )
    odd_clips.write(plan, tmp_path / "a.mkv")
    with open_media(tmp_path / "a.mkv") as reader:
        late: Any = Late(reader, slots)
        told = odd_media.check_sound(late, plan, plan.streams[1]), odd_media.check_picture(late, plan, plan.streams[0])
    assert all(map(bool, told)) == bool(slots)
