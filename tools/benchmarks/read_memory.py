# SPDX-License-Identifier: Apache-2.0
"""Peak memory of reading a long 1080p file, window by window (`tools/bench.py read_memory`).

The file is a ten-second clip repeated without re-encoding. A fresh interpreter reads it, holding one chunk while the
next one comes, as an analysis does; the peaks of reader and decoding process are those that the kernel kept (VmHWM).
Their sum counts the shared memory twice, so it is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.media_clips import run_ffmpeg

ROOT = Path(__file__).resolve().parent.parent.parent
BAR_MIB = 1500
READER = """
import json, sys
from pathlib import Path
from cad.media.reader import open_media
def peak_mib(pid):
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
slots = 0
with open_media(sys.argv[1]) as reader:
    reader.audio()
    for chunk in reader.video_chunks():
        slots += len(chunk.present)
        child = peak_mib(reader._worker.pid)
    report = reader.report
print(json.dumps({"slots": slots, "reader_mib": peak_mib("self"), "decoder_mib": child, "outcome": report.outcome}))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--size", default="1920x1080")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the peaks in MiB; ``ok`` says whether their sum stays below the bar."""
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        path = make_long_file(Path(folder), arguments.size, arguments.seconds)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", READER, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - began
    found = json.loads(done.stdout)
    total = found["reader_mib"] + found["decoder_mib"]
    return {
        "size": arguments.size,
        "seconds": arguments.seconds,
        **found,
        "sum_mib": total,
        "bar_mib": BAR_MIB,
        "wall_seconds": round(seconds, 1),
        "ok": total < BAR_MIB and found["outcome"] == "ok",
    }


def make_long_file(folder: Path, size: str, seconds: int) -> Path:
    piece, path = folder / "piece.mp4", folder / "long.mp4"
    sources = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=10", "-f", "lavfi", "-i", "sine=440:r=48000:d=10")
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
    run_ffmpeg(*sources, *codecs, piece)
    run_ffmpeg("-stream_loop", "-1", "-i", piece, "-t", str(seconds), "-c", "copy", path)
    return path
