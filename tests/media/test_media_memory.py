# SPDX-License-Identifier: Apache-2.0
"""Reading streams: memory does not grow with the length of the file."""

from __future__ import annotations

import argparse

import pytest
from benchmarks import read_memory
from requirements import needs

pytestmark = needs("linux")


def test_twelve_seconds_of_1080p(ffmpeg: None) -> None:
    figures = read_memory.run(argparse.Namespace(size="1920x1080", seconds=12))
    assert figures["ok"], figures
    assert figures["slots"] == 300


@pytest.mark.slow
def test_ten_minutes_of_1080p(ffmpeg: None) -> None:
    figures = read_memory.run(argparse.Namespace(size="1920x1080", seconds=600))
    assert figures["ok"], figures
    assert abs(figures["slots"] - 15_000) <= 2
