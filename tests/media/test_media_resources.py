# SPDX-License-Identifier: Apache-2.0
"""Small files of valid but extreme headers: every outcome has a name, and each costs no more than is promised."""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks import fuzz_resources
from benchmarks.extreme_files import Made
from benchmarks.extreme_pictures import lzw
from benchmarks.extreme_sounds import checksum
from benchmarks.judging_process import Cost, forget_peak, peak_mib
from requirements import needs

from cad.detector import Detector
from cad.verdict.records import Label

SEED = 20260101


def check(numbers: range, timeout_seconds: float) -> None:
    figures = fuzz_resources.fuzz(numbers, SEED, timeout_seconds)
    assert figures["ok"], figures["broken"]
    assert isinstance(figures["all"], dict) and figures["all"]["files"] == len(numbers)
    # The headers must be taken seriously, and not all of them believed.
    outcomes = Counter(figures["all"]["outcomes"])
    assert outcomes["inconclusive"] > 0.2 * len(numbers), outcomes
    assert sum(count for name, count in outcomes.items() if name.startswith("refused")) > 0.1 * len(numbers), outcomes


@needs("linux", "weights")
def test_a_file_of_every_kind() -> None:
    check(range(len(fuzz_resources.RECIPES)), timeout_seconds=10.0)


@needs("linux", "weights")
@pytest.mark.slow
def test_five_files_of_every_kind() -> None:
    check(range(5 * len(fuzz_resources.RECIPES)), timeout_seconds=20.0)


@needs("linux")
@pytest.mark.parametrize(("kind", "number"), [("avi", 50), ("avi", 135), ("vorbis", 33)])
def test_a_track_shorter_than_a_slot_is_no_fault(tiny_weights: Path, kind: str, number: int) -> None:
    """A timeline without a slot could not be smoothed."""
    made = fuzz_resources.RECIPES[kind](np.random.default_rng([SEED, number]))
    with Detector(model=str(tiny_weights)) as detector:
        verdict = detector.detect(made.content)
    assert verdict.label is Label.INCONCLUSIVE
    assert verdict.reasons


@pytest.mark.parametrize("kind", fuzz_resources.RECIPES)
def test_a_number_makes_the_same_file_again_and_most_of_a_kind_are_opened(kind: str) -> None:
    place = list(fuzz_resources.RECIPES).index(kind)
    opened = 0
    for index in range(place, 12 * len(fuzz_resources.RECIPES), len(fuzz_resources.RECIPES)):
        made = fuzz_resources.make(index, SEED)
        assert made == fuzz_resources.make(index, SEED)
        file = io.BytesIO(made.content)
        file.name = f"made{made.suffix}"
        try:
            with av.open(file) as container:
                opened += bool(list(container.streams))
        except (av.FFmpegError, MemoryError):
            continue
    assert opened >= 4, opened


@pytest.mark.parametrize("sides", [(1, 1), (2, 1), (5, 7), (64, 48), (3000, 3000)])
def test_the_pictures_of_a_gif_are_whole(sides: tuple[int, int]) -> None:
    head = b"GIF89a" + struct.pack("<HHBBB", *sides, 0x80, 0, 0) + bytes(3) + b"\xc8\xb4\xa0"
    picture = b"," + struct.pack("<HHHHB", 0, 0, *sides, 0) + lzw(sides[0] * sides[1], 1)
    with av.open(io.BytesIO(head + picture + b";")) as container:
        (frame,) = container.decode(video=0)
    pixels = frame.to_ndarray(format="rgb24")
    assert pixels.shape == (sides[1], sides[0], 3) and (pixels == [200, 180, 160]).all()


def test_checksums_are_those_of_the_catalogue() -> None:
    """CRC-8/SMBUS, CRC-16/UMTS and CRC-32/MPEG-2 of "123456789"."""
    word = b"123456789"
    found = checksum(word, 8, 0x07), checksum(word, 16, 0x8005), checksum(word, 32, 0x04C11DB7, 0xFFFFFFFF)
    assert found == (0xF4, 0xFEE8, 0x0376E6E7)


@pytest.mark.parametrize(
    ("cost", "broken"),
    [
        (Cost("real", 23.9, 1.0, 849.0, 2047.0), []),
        (Cost("real", 24.1, 1.0, 849.0, 2047.0), ["24.1 s"]),
        (Cost("real", 1.0, 1.0, 851.0, 100.0), ["851 MiB"]),
        (Cost("real", 1.0, 1.0, 300.0, 2050.0), ["2050 MiB in the child"]),
        (Cost("untyped: ValueError()", 1.0, 1.0, 300.0, 100.0), ["untyped: ValueError()"]),
        (Cost("stopped: memory", 1.0, 1.0, 3001.0, 100.0), ["3001 MiB", "stopped: memory"]),
    ],
)
def test_a_cost_beyond_a_bound_is_told(cost: Cost, broken: list[str]) -> None:
    assert fuzz_resources.broken_bounds(cost, 20.0) == broken


def test_only_one_number_can_be_judged_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stub:
        def __init__(self, timeout_seconds: float) -> None:
            pass

        def __enter__(self) -> Stub:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def judge(self, path: Path) -> Cost:
            assert path.read_bytes() == fuzz_resources.make(7, SEED).content
            return Cost("refused: too_large", 30.0, 1.0, 200.0, 60.0)

    monkeypatch.setattr(fuzz_resources, "JudgingProcess", Stub)
    parser = argparse.ArgumentParser()
    fuzz_resources.add_arguments(parser)
    figures = fuzz_resources.run(parser.parse_args(["--only", "7", "--keep", str(tmp_path)]))
    assert figures["files"] == 1 and not figures["ok"]
    (line,) = figures["broken"]
    assert line.startswith("--only 7 (") and line.endswith("refused: too_large BEYOND: 30.0 s")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [fuzz_resources.make(7, SEED).content]


def test_all_files_stay_small() -> None:
    for index in range(6 * len(fuzz_resources.RECIPES)):
        made: Made = fuzz_resources.make(index, SEED)
        assert len(made.content) < 5_000_000, (index, made.told)


@needs("linux")
def test_a_peak_is_seen_and_forgotten() -> None:
    """A process holds 200 MiB for a moment."""
    code = "import sys; a = bytearray(200 << 20); del a; print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert peak_mib(process.pid) > 200
        forget_peak(process.pid)
        assert peak_mib(process.pid) < 100
        process.kill()
    assert peak_mib(process.pid) == 0.0
