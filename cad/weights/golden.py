# SPDX-License-Identifier: Apache-2.0
"""Golden vectors, for tests: what a shipped file said of fixed inputs on the day that it was packed.

They show, without torch and without media, that a file and a version of ONNX Runtime still say the same.
The inputs are made from sines and blocks rather than stored, which keeps the package small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

GOLDEN_NAME = "golden.npz"
CROP_SIZE_PX = 160
BLOCKS = 8
Inputs = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A fixed input: how many windows of how many slots, and what of them is there."""

    name: str
    windows: int
    slots: int
    picture: bool = True
    sound: bool = True
    gain: float = 0.3

    def inputs(self) -> Inputs:
        """Return the graph's inputs for this case."""
        frames = np.stack([moving_blocks(self.slots, window) for window in range(self.windows)])
        audio = np.stack([self.gain * chirps(self.slots, window) for window in range(self.windows)])
        present = np.ones((self.windows, self.slots), np.float32)
        # One slot is missing, as happens in real files.
        present[:, self.slots // 2] = 0.0
        return {
            "frames": frames * np.uint8(self.picture),
            "audio": (audio * self.sound).astype(np.float32),
            "frames_present": present * np.float32(self.picture),
            "audio_present": present * np.float32(self.sound),
        }


CASES = (
    GoldenCase("two_seconds", windows=2, slots=50),
    GoldenCase("short", windows=1, slots=25),
    GoldenCase("picture_alone", windows=1, slots=50, sound=False),
    GoldenCase("sound_alone", windows=1, slots=50, picture=False),
    GoldenCase("loud", windows=1, slots=40, gain=1.0),
)


def moving_blocks(slots: int, seed: int) -> NDArray[np.uint8]:
    """Return coloured blocks whose brightness moves, uint8 (slots, 160, 160, 3)."""
    time = np.arange(slots)[:, None, None, None]
    row, column, colour = np.ogrid[0:BLOCKS, 0:BLOCKS, 0:3]
    phase = 0.9 * row + 1.7 * column + 2.3 * colour + seed
    values = 127.5 + 100.0 * np.sin(phase + 0.35 * time)
    side = CROP_SIZE_PX // BLOCKS
    return np.round(values).astype(np.uint8).repeat(side, axis=1).repeat(side, axis=2)


def chirps(slots: int, seed: int) -> NDArray[np.float64]:
    """Return gliding tones that come and go four times a second, float64 (slots * 640,) within [-1, 1]."""
    time = np.arange(slots * SAMPLES_PER_FRAME) / SAMPLE_RATE_HZ
    glide = 2.0 * np.pi * ((150.0 + 40.0 * seed) * time + 20.0 * np.sin(3.0 * time))
    tones = sum(np.sin(harmonic * glide) / harmonic for harmonic in (1, 2, 3, 5, 8, 13))
    return np.asarray(tones / 2.5 * np.sin(2.0 * np.pi * 2.0 * time) ** 2)


def flatten(outputs: Mapping[str, Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return outputs by case and name as one mapping from ``case/name``, the form in which they are stored."""
    return {f"{case}/{name}": value for case, named in outputs.items() for name, value in named.items()}
