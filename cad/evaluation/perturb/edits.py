# SPDX-License-Identifier: Apache-2.0
"""Cuts, shifts, dubs and splices clips for protocols, genuine controls in the same way beside them.

Sound and picture are cut at different *times of the recording*; nothing is rolled or padded, since padding would tell
a convolutional encoder where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.errors import DataError
from cad.evaluation.perturb.source import Picture, Sound, clip_info, read_pictures, read_sound
from cad.evaluation.perturb.writer import Encoding, write_clip
from cad.loudness import rms

#: Louder than this is sound. Source: arXiv 2412.00175, who found that fakes start with a silence below it.
SILENCE_LEVEL = 0.0005
#: Sound is faded over this long where it is spliced, so that no click gives the place away.
FADE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Cut:
    """Which stretch of picture and of sound is put together.

    Attributes:
        picture_start_seconds: Where the picture starts.
        sound_start_seconds: Where the sound starts; another time than the picture's shifts it.
        seconds: Length of both.
        sound_file: Whose sound; None takes the clip's own.
    """

    picture_start_seconds: float
    sound_start_seconds: float
    seconds: float
    sound_file: Path | None = None


def leading_silence_seconds(sound: Sound) -> float:
    """Return how long a sound is silent at its start, judged at 16 kHz; all of it if nothing is louder."""
    step = max(1, round(sound.rate_hz / SAMPLE_RATE_HZ))
    loud = np.flatnonzero(np.abs(sound.samples[::step]) > SILENCE_LEVEL)
    return float(loud[0] * step / sound.rate_hz) if len(loud) else sound.seconds


def cut_clip(source: Path, target: Path, cut: Cut) -> Path:
    """Write a cut of ``source`` and return where it lies (``target`` with a suffix).

    Raises:
        DataError: The sound or picture ends before the cut does.
        MediaUnreadableError: A file cannot be opened.
    """
    info = clip_info(source)
    voice = source if cut.sound_file is None else cut.sound_file
    heard = read_sound(voice, clip_info(voice))
    if heard is not None:
        heard = heard.cut(cut.sound_start_seconds, cut.sound_start_seconds + cut.seconds)
        if heard.seconds < cut.seconds - 0.1:
            raise DataError(f"{voice}: its sound ends before second {cut.sound_start_seconds + cut.seconds:.2f}")
    frames = _between(read_pictures(source, info), cut.picture_start_seconds, cut.seconds)
    return write_clip(target, frames, heard, info.fps, Encoding())


def trim_leading_silence(source: Path, target: Path) -> Path:
    """Write ``source`` from the first sound on, picture and sound alike, and return where it lies."""
    heard = read_sound(source, clip_info(source))
    start = 0.0 if heard is None else leading_silence_seconds(heard)
    is_all_silent = heard is None or start >= heard.seconds
    return cut_clip_from(source, target, 0.0 if is_all_silent else start)


def cut_clip_from(source: Path, target: Path, start_seconds: float) -> Path:
    """Write ``source`` from ``start_seconds`` to its end; 0 rewrites the whole of it."""
    info = clip_info(source)
    heard = read_sound(source, info)
    if heard is not None:
        heard = heard.cut(start_seconds, heard.seconds)
    frames = _between(read_pictures(source, info), start_seconds, float("inf"))
    return write_clip(target, frames, heard, info.fps, Encoding())


def replace_sound(source: Path, target: Path, donor: Path, start_seconds: float, stop_seconds: float) -> Path:
    """Write ``source`` with the sound of ``donor`` in the stretch [start, stop) and return where it lies.

    The donor's same stretch is used if it is long enough (paired recordings are in step), else its start; its level
    is brought to that of the stretch it replaces.

    Raises:
        DataError: Either file has no sound, or the donor's is shorter than the stretch.
    """
    info = clip_info(source)
    own, other = read_sound(source, info), read_sound(donor, clip_info(donor))
    if own is None or other is None:
        raise DataError(f"{source if own is None else donor}: no sound to splice")
    spliced = splice(own, other, start_seconds, stop_seconds)
    return write_clip(target, read_pictures(source, info), spliced, info.fps, Encoding())


def splice(own: Sound, other: Sound, start_seconds: float, stop_seconds: float) -> Sound:
    """Return ``own`` with ``other`` in the stretch [start, stop), faded in and out.

    Raises:
        DataError: ``other`` is shorter than the stretch.
    """
    length = stop_seconds - start_seconds
    begin = start_seconds if other.seconds >= stop_seconds else 0.0
    if other.seconds < length:
        raise DataError(f"the donor's sound lasts {other.seconds:.2f} s, the stretch {length:.2f} s")
    first, last = round(start_seconds * own.rate_hz), min(round(stop_seconds * own.rate_hz), len(own.samples))
    donor = other.cut(begin, begin + length)
    patch = donor.at_rate(own.rate_hz).fitted(last - first).samples
    before = own.samples[first:last]
    patch = patch * (rms(before) / max(rms(patch), 1e-6))
    weight = _fade(last - first, round(FADE_SECONDS * own.rate_hz))
    samples = own.samples.copy()
    samples[first:last] = np.clip(before * (1 - weight) + patch * weight, -1, 1)
    return Sound(samples, own.rate_hz)


def _fade(length: int, ramp: int) -> NDArray[np.float32]:
    ramp = min(ramp, length // 2)
    weight = np.ones(length, dtype=np.float32)
    if ramp:
        weight[:ramp] = np.linspace(0, 1, ramp, endpoint=False)
        weight[-ramp:] = weight[:ramp][::-1]
    return weight


def _between(frames: Iterator[Picture], start_seconds: float, seconds: float) -> Iterator[Picture]:
    for frame in frames:
        if start_seconds - 1e-6 <= frame.seconds < start_seconds + seconds - 1e-6:
            yield Picture(frame.seconds - start_seconds, frame.pixels)
