# SPDX-License-Identifier: Apache-2.0
"""The flash and the beep in every container and codec of the format matrix (`tools/bench.py formats`).

tests/media/test_media_format_matrix.py tests the same clips and combinations; this benchmark keeps the figures: the
number of combinations, and how far flash and beep are apart at worst.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from benchmarks.media_clips import FFMPEG, read_events, run_ffmpeg, write_sources

from cad.media.pool import MediaPool

TOLERANCE_SECONDS = 0.020
VIDEO = {
    "h264": ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12"),
    "hevc10": ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"),
    "vp9": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k"),
    "av1": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v", "300k", "-strict", "-2"),
    "mpeg1": ("-c:v", "mpeg1video", "-b:v", "800k", "-bf", "2"),
    "mpeg2": ("-c:v", "mpeg2video", "-b:v", "800k", "-bf", "2"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"),
}
AUDIO = {
    "aac": ("-c:a", "aac", "-b:a", "96k"),
    "opus": ("-c:a", "libopus", "-b:a", "64k"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "96k", "-ar", "44100"),
    "pcm": ("-c:a", "pcm_s16le"),
    "vorbis": ("-c:a", "libvorbis"),
    "ac3": ("-c:a", "ac3", "-b:a", "96k"),
}
ALL_VIDEO, ALL_AUDIO = tuple(VIDEO), tuple(AUDIO)
#: AVI stores no presentation stamps and no word on priming: the samples that an encoder puts in front of the sound
#: (in seconds, of the encoders used here) stay there, and nobody can tell them from sound.
AVI_PRIMING_SECONDS = {"mp3": 1105 / 44_100, "aac": 1024 / 48_000}
#: What each container may hold (by its standard or by what FFmpeg writes into it).
LEGAL: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mp4": (ALL_VIDEO, ("aac", "opus", "mp3", "ac3", "vorbis")),
    "mov": (("h264", "hevc", "hevc10", "mpeg1", "mpeg2", "mjpeg"), ("aac", "mp3", "pcm", "ac3")),
    "mkv": (ALL_VIDEO, ALL_AUDIO),
    "webm": (("vp9", "av1"), ("opus", "vorbis")),
    "avi": (("h264", "mpeg1", "mpeg2", "mjpeg", "vp9"), ("mp3", "pcm", "ac3", "aac")),
    "mpg": (("mpeg1", "mpeg2", "h264", "hevc"), ("mp3", "ac3")),
    "ts": (("h264", "hevc", "hevc10", "mpeg1", "mpeg2"), ("aac", "opus", "mp3", "ac3")),
    "flv": (("h264",), ("aac", "mp3", "pcm")),
}
#: What the fast tests check.
FAST = (
    ("mp4", "h264", "aac"),
    ("mov", "hevc", "pcm"),
    ("mkv", "vp9", "opus"),
    ("webm", "av1", "opus"),
    ("avi", "mjpeg", "mp3"),
    ("mpg", "mpeg2", "ac3"),
    ("ts", "h264", "mp3"),
    ("flv", "h264", "aac"),
    ("mkv", "hevc10", "vorbis"),
)
EVERY = tuple(
    (container, video, audio) for container, (videos, audios) in LEGAL.items() for video in videos for audio in audios
)


@lru_cache
def encoders() -> str:
    """Names of the encoders that the ffmpeg program was built with."""
    assert FFMPEG is not None
    return subprocess.run([FFMPEG, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout


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
    flashes, beeps, _ = read_events(pool, path)
    if len(flashes) != len(beeps) or not flashes:
        return float("inf")
    return float(np.abs(np.array(flashes) - np.array(beeps)).max())
