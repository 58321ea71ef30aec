# SPDX-License-Identifier: Apache-2.0
"""Files that are valid but odd: what is read of them is what they were made of."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from benchmarks import odd_clips, odd_media, odd_verdicts
from requirements import needs


def read(count: int, seed: int, first: int = 0) -> dict[str, object]:
    return odd_media.run(argparse.Namespace(count=count, first=first, seed=seed, keep=None, jobs=1))


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


def test_what_is_not_there_is_called_wrong() -> None:
    """A reader that leaves out what a plan says, or shows another time, does not pass."""
    plan = odd_clips.plan_of(np.random.default_rng([3, 0]))
    stream = plan.streams[0]
    expected = odd_media.slots_of(plan, stream)
    assert (expected == 1).any() or plan.cut is not None
