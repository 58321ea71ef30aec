# SPDX-License-Identifier: Apache-2.0
"""Clips for tests and benchmarks of the reader: a flash and a beep at the same instants, in any container."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.media.pool import MediaPool
from cad.media.records import ReadReport
from cad.runs import runs_of

FFMPEG = shutil.which("ffmpeg")
#: Flashes and beeps begin here, on frames of 25 fps and of 50 fps, and last FLASH_SECONDS.
EVENT_SECONDS = (0.6, 1.4)
FLASH_SECONDS = 0.16
WIDTH, HEIGHT, FPS = 160, 120, 25.0


def run_ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> None:
    """Run the ffmpeg program and raise with its own words when it fails."""
    assert FFMPEG is not None
    command = [FFMPEG, "-v", "error", "-nostdin" if stdin is None else "-y", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-600:]}")


def is_event(seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where, among times, it flashes and beeps."""
    inside = np.zeros(len(seconds), np.bool_)
    for start in EVENT_SECONDS:
        inside |= (seconds >= start - 1e-6) & (seconds < start + FLASH_SECONDS - 1e-6)
    return inside


def write_sources(folder: Path, seconds: float = 2.0, rate_hz: int = 48_000) -> tuple[Path, Path]:
    """Write a lossless picture file (NUT, raw) and a WAV with the events; return both paths."""
    picture, sound = folder / "picture.nut", folder / "sound.wav"
    count = round(seconds * FPS)
    times = np.arange(count) / FPS
    rng = np.random.default_rng(7)
    texture = rng.integers(20, 60, (HEIGHT, WIDTH), np.uint8)
    frames = np.repeat(texture[None], count, axis=0)
    frames[is_event(times)] = 230
    for index in range(count):  # a moving bar, so that no two frames are alike
        frames[index, :, (4 * index) % WIDTH : (4 * index) % WIDTH + 4] = 120
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS)),
        *("-i", "-", "-pix_fmt", "yuv420p", "-c:v", "rawvideo", picture),
        stdin=frames.tobytes(),
    )
    sample_times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = 0.002 * rng.standard_normal(len(sample_times))
    wave[is_event(sample_times)] += 0.5 * np.sin(2 * np.pi * 1000 * sample_times[is_event(sample_times)])
    run_ffmpeg(
        *("-f", "s16le", "-ar", str(rate_hz), "-ac", "1", "-i", "-", sound),
        stdin=(np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes(),
    )
    return picture, sound


def flash_times(frames: NDArray[np.uint8], present: NDArray[np.bool_], first_slot: int = 0) -> list[float]:
    """Return the middle of every flash, in seconds of grid time."""
    bright = (frames.mean(axis=(1, 2, 3)) > 140) & present
    return [(first_slot + (start + stop - 1) / 2) / 25 for start, stop in runs_of(bright)]


def beep_times(samples: NDArray[np.float32]) -> list[float]:
    """Return the middle of every beep, in seconds of grid time, less half a frame: comparable with flash_times."""
    envelope = np.sqrt(np.convolve(samples.astype(np.float64) ** 2, np.ones(16) / 16, mode="same"))
    loud = envelope > 0.12
    # One beep is one run: zero crossings and codec ripple leave short holes.
    loud = np.convolve(loud, np.ones(321), mode="same") > 0
    return [((start + stop) / 2) / 16_000 - 0.02 for start, stop in runs_of(loud)]


def read_events(pool: MediaPool, path: Path) -> tuple[list[float], list[float], tuple[ReadReport, int, float]]:
    """Return flashes, beeps, and (report, slots with picture, seconds with sound) of a file."""
    with pool.open(path) as reader:
        sound = reader.audio()
        chunks = list(reader.video_chunks())
        report = reader.report
    present = np.concatenate([chunk.present for chunk in chunks])
    flashes = flash_times(np.concatenate([chunk.frames for chunk in chunks]), present)
    beeps = beep_times(sound.samples) if sound is not None else []
    heard = 0.0 if sound is None else float(sound.present.sum()) / 25
    return flashes, beeps, (report, int(present.sum()), heard)


def flip_bits(data: bytes, share: float, start: int, stop: int, seed: int = 1) -> bytes:
    """Return ``data`` with one bit flipped in ``share`` of the bytes from ``start`` to ``stop``."""
    damaged = np.frombuffer(data, np.uint8).copy()
    places = np.random.default_rng(seed).integers(start, stop, round((stop - start) * share))
    damaged[places] ^= 1 << np.random.default_rng(seed + 1).integers(0, 8, len(places)).astype(np.uint8)
    return damaged.tobytes()


def media_bytes(data: bytes) -> tuple[int, int]:
    """Return where the payload (mdat) of an MP4 begins and ends."""
    start = data.index(b"mdat") + 4
    return start, start - 8 + int.from_bytes(data[start - 8 : start - 4], "big")
