# SPDX-License-Identifier: Apache-2.0
"""Gives the baselines what they see of a clip, as named numbers; a stream that is absent gives none."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.evaluation.perturb.edits import leading_silence_seconds
from cad.evaluation.perturb.source import Sound, clip_info, read_pictures, read_sound
from cad.loudness import rms
from cad.metrics.score_counts import Floats

Features = Mapping[str, float]

FRAME_SAMPLES, HOP_SAMPLES, BANDS = 512, 160, 40
#: Frames looked at, spread over the first so many of a clip.
PICTURES, PICTURES_AMONG = 4, 50
PICTURE_PX = 128
RADII = 16
#: The random encoder's convolution kernels; never trained, the same in every run.
RANDOM_KERNELS, RANDOM_SIZE, RANDOM_SEED = 48, 7, 2412


def silence_features(sound: Sound) -> Features:
    """Return where and how much a sound is silent, and nothing else."""
    level = np.abs(sound.samples)
    reverse = Sound(sound.samples[::-1], sound.rate_hz)
    quiet = level < 0.0005
    return {
        "silence.leading_seconds": leading_silence_seconds(sound),
        "silence.trailing_seconds": leading_silence_seconds(reverse),
        "silence.share": float(quiet.mean()) if len(quiet) else 1.0,
        "silence.exact_zero_share": float((sound.samples == 0).mean()) if len(quiet) else 1.0,
        "silence.start_db": _decibel(level[: sound.rate_hz // 50]),
        "silence.end_db": _decibel(level[-sound.rate_hz // 50 :]),
    }


def metadata_features(file: Path) -> Features:
    """Return what the container says: codecs, rates, sizes; no sample is decoded."""
    with av.open(str(file)) as container:
        video = next(iter(container.streams.video), None)
        audio = next(iter(container.streams.audio), None)
        seconds = container.duration / av.time_base if container.duration else math.nan
        size = file.stat().st_size
        found = {
            "metadata.container": _code(container.format.name),
            "metadata.bytes": float(size),
            "metadata.seconds": seconds,
            "metadata.bytes_a_second": size / seconds if seconds else math.nan,
            "metadata.streams": float(len(container.streams)),
        }
        if video is not None:
            found |= {
                "metadata.video_codec": _code(f"{video.codec_context.name} {video.pix_fmt} {video.profile}"),
                "metadata.width": float(video.width),
                "metadata.height": float(video.height),
                "metadata.fps": float(video.average_rate or math.nan),
                "metadata.frames": float(video.frames),
            }
        if audio is not None:
            found |= {
                "metadata.audio_codec": _code(f"{audio.codec_context.name} {audio.format.name}"),
                "metadata.rate_hz": float(audio.rate),
                "metadata.channels": float(audio.channels),
                "metadata.audio_bit_rate": float(audio.bit_rate or math.nan),
            }
        return found


def sound_features(sound: Sound) -> Features:
    """Return mean and deviation of the log energy in BANDS bands, and of its change from frame to frame."""
    energy = band_energies(sound)
    change = np.diff(energy, axis=0) if len(energy) > 1 else np.zeros((1, BANDS))
    tables = {"mean": energy.mean(axis=0), "deviation": energy.std(axis=0), "change": change.std(axis=0)}
    return {f"sound.{name}_{band}": float(v) for name, line in tables.items() for band, v in enumerate(line)}


def picture_features(frames: NDArray[np.uint8]) -> Features:
    """Return colour, spectrum over RADII rings of frequency, and change over time; frames (time, height, width, 3)."""
    small = np.stack([_square(frame) for frame in frames]).astype(np.float64)
    colour = {f"picture.{name}_{c}": float(v) for name, line in (("mean", small.mean(axis=(0, 1, 2))),
              ("deviation", small.std(axis=(0, 1, 2)))) for c, v in enumerate(line)}  # fmt: skip
    rings = np.mean([_spectrum(frame.mean(axis=2)) for frame in small], axis=0)
    spectrum = {f"picture.ring_{ring}": float(value) for ring, value in enumerate(rings)}
    change = float(np.abs(np.diff(small, axis=0)).mean()) if len(small) > 1 else 0.0
    return {**colour, **spectrum, "picture.change": change}


def clip_features(file: Path) -> dict[str, float]:
    """Return everything that the baselines see of a clip.

    Raises:
        MediaUnreadableError: It cannot be opened.
        av.FFmpegError: It cannot be decoded.
    """
    info = clip_info(file)
    sound, frames = read_sound(file, info), few_frames(file)
    found: dict[str, float] = {**metadata_features(file)}
    random: dict[str, float] = {}
    if sound is not None and len(sound.samples) > sound.rate_hz // 5:
        sound = sound.at_rate(SAMPLE_RATE_HZ)
        found |= {**silence_features(sound), **sound_features(sound)}
        random |= random_outputs("sound", [band_energies(sound)])
    if frames is not None:
        found |= picture_features(frames)
        random |= random_outputs("picture", [_square(frame).mean(axis=2) / 32 for frame in frames])
    return found | random


def few_frames(file: Path) -> NDArray[np.uint8] | None:
    """Return PICTURES frames from the first PICTURES_AMONG of a clip, or None without picture."""
    kept = [_square(frame.pixels) for frame in islice(read_pictures(file, clip_info(file)), PICTURES_AMONG)]
    if not kept:
        return None
    return np.stack([kept[round(place)] for place in np.linspace(0, len(kept) - 1, PICTURES)])


def band_energies(sound: Sound) -> Floats:
    """Return log energies (frames, BANDS) in bands that grow geometrically from 60 Hz to 7.6 kHz."""
    sound = sound.at_rate(SAMPLE_RATE_HZ)
    samples = sound.fitted(max(FRAME_SAMPLES, len(sound.samples))).samples
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME_SAMPLES))) ** 2
    edges = np.unique(np.geomspace(2, FRAME_SAMPLES // 2 - 13, BANDS + 1).round().astype(int))
    sums = np.add.reduceat(power, edges[:-1], axis=1)
    # Low bands narrower than a bin coincide; the last one is repeated so that every clip has BANDS columns.
    columns = np.pad(sums, ((0, 0), (0, BANDS - sums.shape[1])), mode="edge")
    energies: Floats = np.log(columns + 1e-6)
    return energies


def random_outputs(stream: str, pictures: list[Floats]) -> dict[str, float]:
    """Return means and deviations of the outputs of convolutions with random weights over a stream's pictures."""
    rng = np.random.default_rng([RANDOM_SEED, zlib.crc32(stream.encode())])
    found = {}
    for number in range(RANDOM_KERNELS):
        kernel = rng.normal(0, 1 / RANDOM_SIZE, (RANDOM_SIZE, RANDOM_SIZE))
        active = np.concatenate(
            [np.maximum(cv2.filter2D(picture, cv2.CV_64F, kernel)[::4, ::4].reshape(-1), 0) for picture in pictures]
        )
        found[f"random.{stream}.mean_{number}"] = float(active.mean())
        found[f"random.{stream}.deviation_{number}"] = float(active.std())
    return found


def _square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the middle square of a frame at PICTURE_PX."""
    height, width = frame.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    cut = frame[top : top + size, left : left + size]
    return np.asarray(cv2.resize(cut, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _spectrum(grey: Floats) -> Floats:
    power = np.fft.fftshift(np.abs(np.fft.fft2(grey - grey.mean())) ** 2)
    middle = len(grey) // 2
    rows, columns = np.indices(power.shape) - middle
    ring = np.minimum(np.hypot(rows, columns) * RADII / middle, RADII - 1).astype(int)
    rings: Floats = np.log(np.bincount(ring.ravel(), power.ravel(), RADII) / np.bincount(ring.ravel(), None, RADII) + 1)
    return rings


def _decibel(level: NDArray[np.float32]) -> float:
    return 20 * math.log10(rms(level) + 1e-6)


def _code(text: str) -> float:
    """Return a number for a word, the same in every run; trees part on it as on a category."""
    return float(zlib.crc32(text.encode()) % 9973)
