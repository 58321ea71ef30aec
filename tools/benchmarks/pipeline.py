# SPDX-License-Identifier: Apache-2.0
"""The speed of the whole product beside bare decoding of the same file: ``python tools/bench.py pipeline --check``.

Everything is compared within one run, in turn, several times, and the medians are divided: machines differ and are
seldom quiet. The clips are made from committed stills, with a little sensor noise. Five parts:

- ``clips``: a whole verdict (a warm detector) beside bare decoding with PyAV on two threads, frames to RGB arrays;
- ``read``: processor time of reading through the decoding process beside the same bare decoding on one thread;
- ``start``: a fresh process, from its start to its end, on a clip of three seconds;
- ``batch``: short clips as a batch beside what the processors could do at best with the same work, and its memory;
- ``net``: the net on ONNX Runtime beside eager torch and torch.compile, and its share of the machine's measured
  ceiling of matrix products (needs the train extra).

Standard output has the figures; --table writes them as Markdown, too. With --check the exit status is 1 if a bar is
missed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.decode import decode_bare, processor_seconds, read, timed
from benchmarks.judging_process import children_of, peak_mib
from benchmarks.pipeline_clips import CLIPS, Clip, write_clip
from benchmarks.pipeline_table import table_of

from cad.detector import Detector
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool

#: A whole verdict may take so many times bare decoding, by the height of the picture.
MOST_OF_DECODING = {720: 2.0, 1080: 1.6}
MOST_START_SECONDS = 0.7
LEAST_OF_THROUGHPUT = 0.9
MOST_BATCH_MIB = 700.0 * 1e6 / (1 << 20)
LEAST_OF_TORCH = 1.5
MOST_OF_READING = 1.15
PARTS = ("clips", "read", "start", "batch", "net")
_THREADS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("--model", help="weights (default: the package's)")
    parser.add_argument("--rounds", type=int, default=5, help="times that everything is measured (default 5)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these")
    parser.add_argument("--clips", nargs="+", type=Clip.of, default=CLIPS, metavar="10s-1f-720p25",
                        help="seconds, faces, height, frames a second of the clips (default: ten of them)")  # fmt: skip
    parser.add_argument("--batch-files", type=int, default=50, help="clips of three seconds in the batch (default 50)")
    parser.add_argument("--folder", type=Path, help="keeps the clips, and takes those that are there")
    parser.add_argument("--table", type=Path, help="also write the figures as a Markdown table")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures, and under ``missed`` which bars were."""
    found: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds, "parts": {}}
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-") as folder:
        clips = _Clips(arguments.folder or Path(folder))
        for part in arguments.parts:
            say(part)
            found["parts"][part] = MEASURES[part](arguments, clips)
    found["missed"] = missed(found["parts"])
    if arguments.table is not None:
        arguments.table.write_text(table_of(found), encoding="utf-8")
    return found | ({"ok": not found["missed"]} if arguments.check else {})


class _Clips:
    """The clips, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, clip: Clip, number: int = 0) -> Path:
        """Return one of the clips of a kind; those of other numbers have other noise."""
        path = self._folder / f"{clip.name}{f'-{number}' if number else ''}.mp4"
        if not path.exists():
            say(f"making {path.name}")
            write_clip(path.with_suffix(".part.mp4"), clip, seed=7 + number).rename(path)
        return path


def measure_clips(arguments: argparse.Namespace, clips: _Clips) -> list[dict[str, Any]]:
    rows = []
    with Detector(model=arguments.model) as detector:
        for clip in arguments.clips:
            path = clips.path(clip)
            detector.detect(path)  # once, so that nothing is done for the first time
            bare, frames, whole, stages = [], [], [], []
            rounds = max(2, arguments.rounds if clip.seconds <= 10 else arguments.rounds // 2)
            for _ in range(rounds):
                bare.append(timed(lambda path=path: decode_bare(path, _THREADS))[0][0])
                frames.append(timed(lambda path=path: decode_frames(path, _THREADS))[0][0])
                began = time.perf_counter()
                stages.append(dict(detector.detect(path).seconds))
                whole.append(time.perf_counter() - began)
            decoding, verdict = statistics.median(bare), statistics.median(whole)
            rows.append({
                "clip": clip.name,
                "height": clip.height,
                "decoding_seconds": round(decoding, 3),
                "decoding_frames_seconds": round(statistics.median(frames), 3),
                "verdict_seconds": round(verdict, 3),
                "ratio": round(statistics.median(w / b for w, b in zip(whole, bare, strict=True)), 2),
                "bar": MOST_OF_DECODING[clip.height],
                "stages": {name: round(statistics.median(one.get(name, 0.0) for one in stages), 3)
                           for name in stages[0]},
            })  # fmt: skip
            say(f"{clip.name}: {rows[-1]['ratio']} times decoding ({verdict:.2f} s)")
    return rows


def measure_reading(arguments: argparse.Namespace, clips: _Clips) -> list[dict[str, Any]]:
    rows = []
    for clip in (Clip(10, 1, 720, 25), Clip(10, 1, 1080, 25)):
        path = clips.path(clip)
        bare, ours = [], []
        with MediaPool(MediaLimits(decoder_threads=1)) as pool:
            read(pool, path)
            for _ in range(arguments.rounds):
                bare.append(timed(lambda path=path: decode_bare(path, 1))[0])
                ours.append(timed(lambda path=path: read(pool, path))[0])
        ratios = [[o[kind] / b[kind] for o, b in zip(ours, bare, strict=True)] for kind in (0, 1)]
        wall, processor = map(statistics.median, ratios)
        rows.append({"clip": clip.name, "processor_ratio": round(processor, 3), "wall_ratio": round(wall, 3),
                     "bar": MOST_OF_READING})  # fmt: skip
    return rows


def measure_start(arguments: argparse.Namespace, clips: _Clips) -> dict[str, Any]:
    path = clips.path(Clip(3, 1, 720, 25))
    words = [sys.executable, "-m", "cad", "--json", *(["--model", arguments.model] if arguments.model else []), path]
    seconds, empty = [], []
    for _ in range(arguments.rounds + 1):
        seconds.append(timed(lambda: subprocess.run(words, check=True, capture_output=True))[0][0])
        empty.append(timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True))[0][0])
    # The first one reads the files from the disk.
    return {"clip": "3s-1f-720p25", "seconds": round(statistics.median(seconds[1:]), 3), "bar": MOST_START_SECONDS,
            "python_alone_seconds": round(statistics.median(empty[1:]), 3)}  # fmt: skip


def measure_batch(arguments: argparse.Namespace, clips: _Clips) -> dict[str, Any]:
    kinds = [Clip(3, 1, 720, 25), Clip(3, 1, 720, 30), Clip(3, 3, 720, 25), Clip(3, 1, 1080, 25), Clip(3, 1, 1080, 30)]
    paths = [clips.path(kinds[index % len(kinds)], index // len(kinds)) for index in range(arguments.batch_files)]
    words = [sys.executable, "-m", "cad", "--jsonl", "--jobs", str(os.cpu_count() or 1)]
    words += [*(["--model", arguments.model] if arguments.model else []), *map(str, paths)]
    cores = os.cpu_count() or 1
    rows = []
    for _ in range(max(1, arguments.rounds // 2)):
        used, began, peak = processor_seconds(), time.perf_counter(), 0.0
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid) + sum(map(peak_mib, children_of(process.pid))))
            time.sleep(0.05)
        wall, work = time.perf_counter() - began, processor_seconds() - used
        rows.append((wall, work / cores / wall, peak))
    wall, share, peak = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "files": len(paths),
        "jobs": cores,
        "seconds": round(wall, 2),
        "clips_per_second": round(len(paths) / wall, 3),
        "share_of_possible": round(share, 3),
        "bar": LEAST_OF_THROUGHPUT,
        "peak_mib": round(peak, 1),
        "peak_bar_mib": round(MOST_BATCH_MIB, 1),
    }


def measure_net(arguments: argparse.Namespace, clips: _Clips) -> dict[str, Any]:
    from benchmarks.pipeline_net import measure  # torch is imported nowhere else

    return measure(arguments.model, arguments.rounds) | {"bar": LEAST_OF_TORCH}


MEASURES: Mapping[str, Callable[[argparse.Namespace, _Clips], Any]] = {
    "clips": measure_clips,
    "read": measure_reading,
    "start": measure_start,
    "batch": measure_batch,
    "net": measure_net,
}


def missed(parts: Mapping[str, Any]) -> list[str]:
    """Return in words which bars were missed."""
    found = [
        f"{row['clip']}: a verdict takes {row['ratio']} times decoding, the bar is {row['bar']}"
        for row in parts.get("clips", ())
        if row["ratio"] > row["bar"]
    ]
    found += [
        f"{row['clip']}: reading takes {row['processor_ratio']} times the processor time of decoding, the bar is "
        f"{row['bar']}"
        for row in parts.get("read", ())
        if row["processor_ratio"] > row["bar"]
    ]
    start, batch, net = (parts.get(name) for name in ("start", "batch", "net"))
    if start and start["seconds"] > start["bar"]:
        found.append(f"a fresh process takes {start['seconds']} s, the bar is {start['bar']}")
    if batch and batch["share_of_possible"] < batch["bar"]:
        found.append(f"a batch reaches {batch['share_of_possible']} of what is possible, the bar is {batch['bar']}")
    if batch and batch["peak_mib"] > batch["peak_bar_mib"]:
        found.append(f"a batch takes {batch['peak_mib']} MiB, the bar is {batch['peak_bar_mib']}")
    if net and net["times_the_faster_torch"] < net["bar"]:
        found.append(f"the net runs at {net['times_the_faster_torch']} times torch, the bar is {net['bar']}")
    return found


def decode_frames(path: Path, threads: int) -> int:
    """Decode the picture without converting it, and return the number of frames."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = "AUTO", threads
        return sum(1 for _ in container.decode(stream))


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0] if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("av", "numpy", "onnxruntime", "opencv-python-headless")},
    }


def say(line: str) -> None:
    """Tell how far it is."""
    print(f"pipeline: {line}", file=sys.stderr, flush=True)
