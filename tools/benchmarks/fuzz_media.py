# SPDX-License-Identifier: Apache-2.0
"""Read thousands of damaged files and count what comes of it (`tools/bench.py fuzz_media`).

Twelve small seeds of different containers and codecs are made with the ffmpeg program and damaged by a seeded
generator: bits flipped, ends cut off, headers edited, stretches swapped, repeated, removed or blanked. Every file goes
through the reader that the product uses (a pool of decoding processes). The figures count the outcomes, and above all
what must not happen: an exception that is no MediaError, a wait beyond the limit, a process, descriptor or file left.
The result is written to docs/reliability/fuzz.json, from which tools/release/reliability_table.py fills the documents.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
from benchmarks.media_clips import run_ffmpeg

from cad.errors import MediaError
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.records import Outcome

Rng = np.random.Generator
#: What must not happen, as named in the figures.
FORBIDDEN = ("untyped", "hangs", "leaked_processes", "leaked_descriptors", "leaked_files")
#: Name of a seed and how the ffmpeg program encodes it.
SEEDS: dict[str, tuple[str, ...]] = {
    "a.mp4": ("-c:v", "libx264", "-g", "6", "-bf", "2", "-c:a", "aac", "-movflags", "+faststart"),
    "b.mov": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "pcm_s16le"),
    "c.mkv": ("-c:v", "libx264", "-g", "6", "-c:a", "libvorbis"),
    "d.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
    "e.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "libmp3lame"),
    "f.mpg": ("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"),
    "g.ts": ("-c:v", "libx264", "-g", "6", "-c:a", "ac3"),
    "h.flv": ("-c:v", "libx264", "-g", "6", "-c:a", "aac"),
    "i.mp4": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-strict", "-2", "-c:a", "libopus"),
    "j.wav": ("-vn", "-c:a", "pcm_s16le"),
    "k.mp3": ("-vn", "-c:a", "libmp3lame"),
    "l.jpg": ("-an", "-frames:v", "1", "-q:v", "4"),
}
#: Short limits: a file that takes longer is stopped, and the next one comes.
LIMITS = MediaLimits(memory_bytes=1 << 30, cpu_seconds=30, stall_seconds=20.0, wall_seconds=60.0)
#: A read may take this much longer than its limit (starting a process, a busy machine) before it counts as a hang.
HANG_MARGIN_SECONDS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=2000, help="damaged files to read")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--keep", type=Path, help="folder for files that caused something that must not happen")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Fuzz and return the figures; ``ok`` is false if anything happened that must not."""
    with tempfile.TemporaryDirectory(prefix="cad-fuzz-") as folder:
        figures = fuzz(Path(folder), arguments.count, arguments.seed, arguments.keep, progress=True)
    return {**figures, "ok": is_clean(figures)}


def is_clean(figures: dict[str, object]) -> bool:
    """Return whether nothing happened that must not."""
    return not any(figures[name] for name in FORBIDDEN)


def fuzz(folder: Path, count: int, seed: int, keep: Path | None = None, progress: bool = False) -> dict[str, object]:
    """Read ``count`` damaged files, with ``folder`` as the temporary folder, and return the figures."""
    # Whatever is left lying about lies there.
    with mock.patch.object(tempfile, "tempdir", str(folder)), mock.patch.dict(os.environ, TMPDIR=str(folder)):
        return fuzz_here(folder, count, seed, keep, progress)


def fuzz_here(folder: Path, count: int, seed: int, keep: Path | None, progress: bool) -> dict[str, object]:
    seeds = make_seeds(folder)
    before = leftovers(folder)
    results: Counter[str] = Counter()
    untyped: list[str] = []
    seconds: list[float] = []
    began = time.monotonic()
    with MediaPool(LIMITS) as pool:
        for index in range(count):
            rng = np.random.default_rng([seed, index])
            name = list(seeds)[index % len(seeds)]
            path = folder / f"damaged-{name}"
            path.write_bytes(mutate(seeds[name], rng))
            started = time.monotonic()
            try:
                results[read(pool, path)] += 1
            except Exception as error:
                untyped.append(f"{name} {index}: {error!r}")
            seconds.append(time.monotonic() - started)
            if keep is not None and (len(untyped) or seconds[-1] > LIMITS.wall_seconds):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{index}-{name}").write_bytes(path.read_bytes())
            path.unlink()
            if progress and index % 100 == 99:
                print(f"{index + 1} of {count}: {dict(results)}", file=sys.stderr)
    after = leftovers(folder)
    return {
        "mutations": count,
        "seeds": len(seeds),
        "seed": seed,
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "outcomes": dict(sorted(results.items())),
        "untyped": untyped,
        "hangs": sum(value > LIMITS.wall_seconds + HANG_MARGIN_SECONDS for value in seconds),
        "leaked_processes": after[0] - before[0],
        "leaked_descriptors": after[1] - before[1],
        "leaked_files": after[2] - before[2],
        "slowest_seconds": round(max(seconds), 2),
        "median_seconds": round(float(np.median(seconds)), 4),
        "wall_seconds": round(time.monotonic() - began, 1),
    }


def read(pool: MediaPool, path: Path) -> str:
    """Return the outcome of reading one file, or the code of the error that refused it."""
    try:
        with pool.open(path) as reader:
            reader.audio()
            for _ in reader.video_chunks():
                pass
            return Outcome(reader.report.outcome).value
    except MediaError as error:
        if not str(error) or "\n" in str(error):
            raise AssertionError(f"an error without one clear line: {error!r}") from error
        return f"refused: {error.code}"


def make_seeds(folder: Path) -> dict[str, bytes]:
    """Encode the seeds and return their bytes by name."""
    sources = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.8", "-f", "lavfi", "-i", "sine=440:r=44100:d=0.8"]
    seeds = {}
    for name, arguments in SEEDS.items():
        path = folder / name
        run_ffmpeg(*sources, *arguments, path)
        seeds[name] = path.read_bytes()
        path.unlink()
    return seeds


def mutate(data: bytes, rng: Rng) -> bytes:
    """Return damaged bytes: one to three kinds of damage on top of each other."""
    array = np.frombuffer(data, np.uint8).copy()
    for kind in rng.choice(len(DAMAGES), size=rng.integers(1, 4)):
        array = DAMAGES[kind](array, rng)
    return array.tobytes()


def flip_bits(data: np.ndarray, rng: Rng) -> np.ndarray:
    places = rng.integers(0, len(data), max(1, round(len(data) * 10 ** rng.uniform(-4.5, -1.5))))
    data[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    return data


def cut_end(data: np.ndarray, rng: Rng) -> np.ndarray:
    return data[: max(1, round(len(data) * rng.uniform(0.02, 1.0)))]


def cut_middle(data: np.ndarray, rng: Rng) -> np.ndarray:
    start, stop = stretch(data, rng)
    return np.concatenate([data[:start], data[stop:]]) if stop - start < len(data) else data


def edit_header(data: np.ndarray, rng: Rng) -> np.ndarray:
    """Overwrite a few fields near the beginning (or the end, where an index may stand) with telling numbers."""
    near = min(len(data), 2048)
    base = 0 if rng.random() < 0.7 else len(data) - near
    for _ in range(rng.integers(1, 6)):
        at = base + int(rng.integers(0, max(1, near - 4)))
        value = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, int(rng.integers(0, 1 << 32))])
        field = np.frombuffer(int(value).to_bytes(4, "big"), np.uint8)
        width = min(int(rng.choice([1, 2, 4])), len(data) - at)
        data[at : at + width] = field[4 - width :]
    return data


def swap(data: np.ndarray, rng: Rng) -> np.ndarray:
    """Swap two stretches: boxes, clusters or packets change places."""
    (a, b), (c, d) = sorted([stretch(data, rng), stretch(data, rng)])
    if b > c:
        return data
    return np.concatenate([data[:a], data[c:d], data[b:c], data[a:b], data[d:]])


def swap_boxes(data: np.ndarray, rng: Rng) -> np.ndarray:
    """Exchange the four-letter names of two boxes (of an MP4), or do what swap does elsewhere."""
    raw = data.tobytes()
    names = [b"moov", b"mdat", b"trak", b"stbl", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"elst", b"mdhd", b"tkhd"]
    found = [(raw.find(name), name) for name in names if raw.find(name) >= 0]
    if len(found) < 2:
        return swap(data, rng)
    first, second = rng.choice(len(found), size=2, replace=False)
    (at, name), (other_at, other) = found[first], found[second]
    data[at : at + 4], data[other_at : other_at + 4] = np.frombuffer(other, np.uint8), np.frombuffer(name, np.uint8)
    return data


def repeat(data: np.ndarray, rng: Rng) -> np.ndarray:
    start, stop = stretch(data, rng)
    return np.concatenate([data[:stop], data[start:stop], data[stop:]])


def blank(data: np.ndarray, rng: Rng) -> np.ndarray:
    start, stop = stretch(data, rng)
    data[start:stop] = rng.choice([0, 255]) if rng.random() < 0.5 else rng.integers(0, 256, stop - start)
    return data


def stretch(data: np.ndarray, rng: Rng) -> tuple[int, int]:
    """Return the ends of a stretch somewhere, up to a quarter of the data long."""
    start = int(rng.integers(0, len(data)))
    return start, min(len(data), start + 1 + int(rng.integers(0, max(1, len(data) // 4))))


DAMAGES = (flip_bits, flip_bits, cut_end, cut_middle, edit_header, edit_header, swap, swap_boxes, repeat, blank)


def leftovers(folder: Path) -> tuple[int, int, int]:
    """Return how many child processes, open descriptors and files in the folder there are."""
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    return children, len(list(Path("/proc/self/fd").iterdir())), len(list(folder.iterdir()))
