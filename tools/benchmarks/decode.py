# SPDX-License-Identifier: Apache-2.0
"""The cost of reading through the decoding process, next to a bare PyAV decode to RGB of the same file.

Both decode with the same number of threads, in turn, several times; the ratio of the medians is given for wall-clock
time and for processor time (all processes). Without a file, a 720p H.264 clip of 25 fps is made with ffmpeg.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from benchmarks.media_clips import run_ffmpeg

from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, help="video to read; made if absent")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the clip that is made")
    parser.add_argument("--size", default="1280x720", help="size of the clip that is made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return medians in seconds, and their ratios (reading / bare decode)."""
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or make_clip(Path(folder), arguments.size, arguments.seconds)
        return measure(path, arguments.rounds, arguments.threads)


def make_clip(folder: Path, size: str, seconds: float) -> Path:
    path = folder / "clip.mp4"
    source = f"testsrc2=s={size}:r=25:d={seconds}"
    picture = ("-f", "lavfi", "-i", source, "-vf", "noise=alls=8:allf=t")
    run_ffmpeg(*picture, "-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", path)
    return path


def measure(path: Path, rounds: int, threads: int) -> dict[str, object]:
    bare, ours, started = [], [], []
    frames = slots = 0
    limits = MediaLimits(decoder_threads=threads)
    with MediaPool(limits) as pool:
        pool.warm_up()
        for _ in range(rounds):
            seconds, frames = timed(lambda: decode_bare(path, threads))
            bare.append(seconds)
            seconds, slots = timed(lambda: read(pool, path))
            ours.append(seconds)
    for _ in range(rounds):
        with MediaPool(limits) as cold:
            began = time.perf_counter()
            with cold.open(path):
                pass
            started.append(time.perf_counter() - began)
    bare_wall, bare_processor = np.median(bare, axis=0).tolist()
    wall, processor = np.median(ours, axis=0).tolist()
    return {
        "file_frames": frames,
        "grid_slots": slots,
        "threads": threads,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "bare_wall_seconds": round(bare_wall, 3),
        "read_wall_seconds": round(wall, 3),
        "wall_ratio": round(wall / bare_wall, 3),
        "bare_processor_seconds": round(bare_processor, 3),
        "read_processor_seconds": round(processor, 3),
        "processor_ratio": round(processor / bare_processor, 3),
        "cold_open_seconds": round(statistics.median(started), 3),
    }


def timed(work: Callable[[], T]) -> tuple[tuple[float, float], T]:
    """Return (wall seconds, processor seconds of this process and its children) and what the work returned."""
    began, used = time.perf_counter(), processor_seconds()
    result = work()
    return (time.perf_counter() - began, processor_seconds() - used), result


def processor_seconds() -> float:
    """Return what this process, its ended children and its living ones have used so far."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    tick = os.sysconf("SC_CLK_TCK")
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def decode_bare(path: Path, threads: int) -> int:
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = "AUTO", threads
        for frame in container.decode(stream):
            frame.to_ndarray(format="rgb24")
            count += 1
    return count


def read(pool: MediaPool, path: Path) -> int:
    with pool.open(path) as reader:
        return sum(len(chunk.present) for chunk in reader.video_chunks())
