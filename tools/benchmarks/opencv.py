# SPDX-License-Identifier: Apache-2.0
"""What OpenCV costs the core, and what NumPy would cost in its place (`tools/bench.py opencv`).

A clip of 10 s at 1280 x 720 is judged; the calls that cost most, area resizing and warping, are then done again with
NumPy on the same pictures, and compared in time and in grey levels.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.media_clips import run_ffmpeg

from cad import Detector

CLIP = Path(__file__).resolve().parent.parent.parent / "tests/data/astronaut_fake.mp4"
COUNTED = ("resize", "warpAffine", "cvtColor", "blur", "Laplacian", "LUT", "imencode")
_CALLS_KEPT = 40
_IMPORT = """
import time, numpy
began = time.perf_counter()
import cv2
seconds = time.perf_counter() - began
names = {line.split()[-1].rsplit("/", 1)[-1] for line in open("/proc/self/maps") if ".so" in line}
print(seconds, sum(name.startswith(("libav", "libsw")) and not name.startswith("libavif") for name in names))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clip", type=Path, default=CLIP, help="is scaled to 1280 x 720 and repeated for 10 s")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return sizes, times and differences."""
    seconds, mapped = subprocess.run(
        [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True
    ).stdout.split()
    spent, calls, total = judge(arguments.clip)
    return {
        "installed_mb": {name: installed_mb(name) for name in ("opencv-python-headless", "numpy", "onnxruntime", "av")},
        "import_seconds": round(float(seconds), 4),
        "ffmpeg_libraries_mapped": int(mapped),
        "judging_seconds": round(total, 2),
        "opencv_seconds": {name: round(value, 3) for name, value in spent.items()},
        "numpy_instead": {
            "resize": compare(calls["resize"], cv2.resize, area_resized),
            "warpAffine": compare(calls["warpAffine"], cv2.warpAffine, warped),
        },
    }


def installed_mb(name: str) -> float:
    files = importlib.metadata.files(name) or []
    return round(sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 1e6, 1)


def judge(clip: Path) -> tuple[Counter[str], dict[str, list[Any]], float]:
    """Judge 10 s of 720p; return the seconds in OpenCV by function, some of the calls, and the seconds in all."""
    spent: Counter[str] = Counter()
    calls: dict[str, list[Any]] = defaultdict(list)

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            began = time.perf_counter()
            result = function(*given, **options)
            spent[name] += time.perf_counter() - began
            if len(calls[name]) < _CALLS_KEPT and (name != "resize" or options.get("interpolation") == cv2.INTER_AREA):
                calls[name].append((given, options))
            return result

        return call

    originals = {name: getattr(cv2, name) for name in COUNTED}
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder, Detector(threads=1) as detector:
        path = Path(folder) / "clip.mp4"
        looped = ("-stream_loop", "-1", "-i", clip, "-t", "10", "-an", "-vf", "scale=1280:720,fps=25")
        run_ffmpeg(*looped, "-c:v", "libx264", "-preset", "ultrafast", path)
        try:
            for name, function in originals.items():
                setattr(cv2, name, counted(name, function))
            began = time.perf_counter()
            detector.detect(path)
            return spent, calls, time.perf_counter() - began
        finally:
            for name, function in originals.items():
                setattr(cv2, name, function)


def compare(calls: list[Any], ours: Callable[..., Any], other: Callable[..., Any]) -> dict[str, float]:
    """Return how many times longer another function takes for the same calls, and how its results differ."""
    times, worst, differing, samples = [0.0, 0.0], 0, 0, 0
    for given, options in calls:
        other(*given[:3])  # what it keeps from call to call is not counted
        began = time.perf_counter()
        one = ours(*given, **options)
        between = time.perf_counter()
        two = other(*given[:3])
        times = [times[0] + between - began, times[1] + time.perf_counter() - between]
        apart = np.abs(np.asarray(one, np.int64) - two)
        worst, differing, samples = (
            max(worst, int(apart.max())),
            differing + int((apart > 0).sum()),
            samples + apart.size,
        )
    return {
        "times_slower": round(times[1] / times[0], 1),
        "most_grey_levels_apart": worst,
        "share_of_samples_apart": round(differing / samples, 6),
    }


@cache
def area_weights(size: int, new_size: int) -> Any:
    """Return how much each old sample has of each new one, float32 (new_size, size)."""
    edges = np.linspace(0, size, new_size + 1)
    starts = np.arange(size)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(shared, 0.0) * new_size / size).astype(np.float32)


def area_resized(picture: Any, size: tuple[int, int]) -> Any:
    height, width = picture.shape[:2]
    flat = picture.reshape(height, width, -1).astype(np.float32)
    rows = np.tensordot(area_weights(height, size[1]), flat, 1)
    result = np.einsum("wj,hjc->hwc", area_weights(width, size[0]), rows, optimize=True)
    return np.rint(result).astype(np.uint8).reshape(size[1], size[0], *picture.shape[2:])


def warped(picture: Any, matrix: Any, size: tuple[int, int]) -> Any:
    """Return what ``cv2.warpAffine`` gives with linear interpolation and a black border."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    x, y = (one[0] * columns + one[1] * rows + one[2] for one in back)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right_share, low_share = ((a - b)[..., None].astype(np.float32) for a, b in ((x, left), (y, top)))
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((1, 2), (1, 2), (0, 0)))
    column, row = np.clip(left + 1, 0, width + 1), np.clip(top + 1, 0, height + 1)
    upper = padded[row, column] * (1 - right_share) + padded[row, column + 1] * right_share
    lower = padded[row + 1, column] * (1 - right_share) + padded[row + 1, column + 1] * right_share
    inside = ((left >= -1) & (left < width) & (top >= -1) & (top < height))[..., None]
    return np.where(inside, np.rint(upper * (1 - low_share) + lower * low_share), 0).astype(np.uint8)
