# SPDX-License-Identifier: Apache-2.0
"""One Detector for thousands of files: nothing grows, and a crowd says what one says."""

from __future__ import annotations

import argparse
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks import soak
from requirements import needs

pytestmark = needs("linux")


@needs("weights")
@pytest.mark.slow
def test_a_minute(ffmpeg: None) -> None:
    figures = soak.run(argparse.Namespace(minutes=1.0, count=5000, seed=1))
    assert figures["ok"], figures
    assert figures["files"] > 100
    assert sum(count for name, count in figures["outcomes"].items() if not name.startswith("refused")) > 50


@contextmanager
def no_detector(limits: object) -> Iterator[None]:
    yield None


def soak_with(
    act: Callable[[], object], monkeypatch: pytest.MonkeyPatch, folder: Path, count: int = 200
) -> dict[str, object]:
    """Return the figures of a soak in which judging a file is this act."""

    def said(detector: None, path: Path) -> dict[str, object]:
        act()
        return {"outcome": "real"}

    monkeypatch.setattr(soak, "Detector", no_detector)
    monkeypatch.setattr(soak, "said", said)
    monkeypatch.setattr(soak, "STEP_FILES", 5)
    return soak.soak([Path("any")], folder, 60.0, count, seed=1)


def test_what_grows_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[int] = []
    figures = soak_with(lambda: opened.append(os.open("/dev/null", os.O_RDONLY)), monkeypatch, tmp_path)
    for fd in opened:
        os.close(fd)
    assert figures["growing"] == ["descriptors"]
    assert figures["rise_per_1000_files"]["descriptors"] == 1000
    held: list[mmap.mmap] = []

    def hold() -> None:
        held.append(mmap.mmap(-1, 1 << 20))  # not the heap, where other tests have left free memory
        held[-1].write(os.urandom(1 << 20))

    figures = soak_with(hold, monkeypatch, tmp_path)
    assert figures["growing"] == ["resident_mib"]
    assert 900 < figures["rise_per_1000_files"]["resident_mib"] < 1100
    left = iter(range(10**6))
    figures = soak_with(lambda: (tmp_path / str(next(left))).touch(), monkeypatch, tmp_path)
    assert figures["growing"] == ["temporary_files"]


def test_what_wavers_does_not_grow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second descriptor is there now and then, as with a pool that replaces its process."""
    opened: list[int] = []

    def waver() -> None:
        if opened:
            os.close(opened.pop())
        else:
            opened.append(os.open("/dev/null", os.O_RDONLY))

    figures = soak_with(waver, monkeypatch, tmp_path)
    for fd in opened:
        os.close(fd)
    assert figures["growing"] == []


def test_a_verdict_that_differs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One of four threads says another number; the processes are left out."""
    files = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    asked = iter(range(100))

    def said(detector: None, path: Path) -> dict[str, object]:
        turn = next(asked)
        return {"outcome": "real", "exact": [0.5 + 1e-16 if turn < 8 or path.name == "a.mp4" else 0.6]}

    monkeypatch.setattr(soak, "Detector", no_detector)
    monkeypatch.setattr(soak, "said", said)
    monkeypatch.setattr(soak, "PROCESSES", 0)
    assert soak.compare(files) == ["b.mp4"]
