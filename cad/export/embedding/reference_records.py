# SPDX-License-Identifier: Apache-2.0
"""Case is one reference vector; the made picture and the made voice from which several of them start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.data.made_sounds import lay, peak, vowel

#: First three formants of five vowels in Hz. Source: Peterson and Barney, JASA 24(2), 1952, men, rounded.
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480), (300, 870, 2240))
_SYLLABLES, _PAUSE_BEFORE = 14, 7


@dataclass(frozen=True, slots=True)
class Case:
    """What goes into a stage, and what comes out of it.

    Attributes:
        stage: Which: docs/embedding.md lists them.
        name: Of the case.
        inputs: Arrays and plain values by name.
        outputs: Likewise.
        tolerance: By name of an output how far numbers may be apart; one that is not named must be the same.
    """

    stage: str
    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tolerance: Mapping[str, float] = field(default_factory=dict)


def made_voice() -> NDArray[np.int16]:
    """Return a voice that says vowels with pauses between them, int16 (samples,) of whole slots at 16 kHz."""
    rng = np.random.default_rng(7)
    notes, start = [], 0.3
    for index in range(_SYLLABLES):
        seconds, pitch_hz = 0.14 + 0.1 * rng.random(), 105 + 35 * rng.random()
        if index == _PAUSE_BEFORE:
            start += 0.5
        syllable = vowel(pitch_hz, seconds, _VOWELS[index % len(_VOWELS)], rng)
        notes.append((start, syllable * np.hanning(len(syllable)) ** 0.5))
        start += seconds + 0.07
    samples = peak(lay(notes, start + 0.4), 0.4)
    return as_int16(samples[: len(samples) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME])


def made_chord(seconds: float) -> NDArray[np.int16]:
    """Return a chord that swells twice a second, int16 (samples,) at 16 kHz."""
    time = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    chord = sum(np.sin(2 * np.pi * pitch_hz * time) for pitch_hz in (220.0, 277.18, 329.63)) / 3
    return as_int16(0.4 * chord * (0.55 - 0.45 * np.cos(4 * np.pi * time)))


def as_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return samples in [-1, 1] as 16-bit numbers."""
    return np.round(samples * 32767).astype(np.int16)


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return 16-bit samples as float32 in [-1, 1], as decoders do: divided by 32768."""
    return (samples / np.float32(32768)).astype(np.float32)


def made_picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return coloured waves, uint8 (height, width, 3)."""
    y, x, colour = np.ogrid[0:height, 0:width, 0:3]
    waves = np.sin(0.11 * x + 0.5 * colour + seed) * np.cos(0.07 * y - 0.3 * colour) + 0.4 * np.sin(0.9 * x + 0.8 * y)
    return np.round(127.5 + 85.0 * waves).clip(0, 255).astype(np.uint8)
