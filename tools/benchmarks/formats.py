# SPDX-License-Identifier: Apache-2.0
"""The flash and the beep in every container and codec of the format matrix (`tools/bench.py formats`).

The same clips and the same measurement as tests/media/test_media_format_matrix.py, which is the test; here the figures
are kept: how many combinations, and how far flash and beep are apart at worst.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests" / "media"))

import numpy as np
from media_clips import beep_times, flash_times, run_ffmpeg, write_sources
from test_media_format_matrix import AUDIO, AVI_PRIMING_SECONDS, EVERY, FAST, TOLERANCE_SECONDS, VIDEO, encoders

from cad.media.pool import MediaPool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fast", action="store_true", help="the combinations of the fast tests alone")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the worst distance between flash and beep, and which combinations exceed the bar."""
    distances: dict[str, float] = {}
    skipped: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder, MediaPool() as pool:
        sources = write_sources(Path(folder))
        for container, video, audio in FAST if arguments.fast else EVERY:
            name = f"{container} {video} {audio}"
            if any(f" {options[1]} " not in encoders() for options in (VIDEO[video], AUDIO[audio])):
                skipped.append(name)
                continue
            path = Path(folder) / f"clip.{container}"
            extra = ("-ar", "44100") if (container, audio) == ("flv", "pcm") else ()
            run_ffmpeg("-i", sources[0], "-i", sources[1], *VIDEO[video], *AUDIO[audio], *extra, path)
            distances[name] = distance(pool, path)
    priming = {name for name in distances if name.startswith("avi") and name.split()[2] in AVI_PRIMING_SECONDS}
    plain = {name: value for name, value in distances.items() if name not in priming}
    worst = max(plain, key=lambda name: plain[name])
    return {
        "combinations": len(distances),
        "without_encoder": skipped,
        "bar_seconds": TOLERANCE_SECONDS,
        "beyond_bar": sorted(name for name, value in plain.items() if value > TOLERANCE_SECONDS),
        "worst": worst,
        "worst_seconds": round(plain[worst], 4),
        "median_seconds": round(float(np.median(list(distances.values()))), 4),
        "avi_with_priming": {name: round(distances[name], 4) for name in sorted(priming)},
        "ffmpeg": subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2],
        "ok": all(value <= TOLERANCE_SECONDS for value in plain.values()),
    }


def distance(pool: MediaPool, path: Path) -> float:
    """Return how far flash and beep are apart at most, infinite if they are not all there."""
    with pool.open(path) as reader:
        sound = reader.audio()
        chunks = list(reader.video_chunks())
    frames, present = np.concatenate([c.frames for c in chunks]), np.concatenate([c.present for c in chunks])
    flashes, beeps = flash_times(frames, present), beep_times(sound.samples) if sound is not None else []
    if len(flashes) != len(beeps) or not flashes:
        return float("inf")
    return float(np.abs(np.array(flashes) - np.array(beeps)).max())
