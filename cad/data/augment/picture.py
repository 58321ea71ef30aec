# SPDX-License-Identifier: Apache-2.0
"""Augmentations of the picture: the effects of cameras, sites and screens, drawn without knowledge of the label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.data.augment.colour import colour_matrix, recoloured, tone_table
from cad.data.records import STORED_CROP_SIZE_PX

#: Frame rates of sources that are slower than the grid, in Hz: their frames are repeated on it.
SLOW_RATES_HZ = (8.0, 10.0, 12.5, 15.0, 16.0, 20.0, 23.976)
_SHRINKERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def with_random_colour(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ``frames`` with other exposure, contrast, gamma, hue and saturation, the same over the clip."""
    table = tone_table(
        rng.uniform(-20, 20), rng.uniform(0.8, 1.2), float(np.exp(rng.uniform(-0.25, 0.25))), rng.uniform(-6, 6, 3)
    )
    matrix = colour_matrix(rng.uniform(-0.03, 0.03), rng.uniform(0.6, 1.4)) if rng.random() < 0.6 else None
    return recoloured(frames, table, matrix)


def grey(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``frames`` without colour."""
    return recoloured(frames, None, colour_matrix(0.0, 0.0))


def blurred(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ``frames`` out of focus (Gaussian) or smeared along one direction."""
    if rng.random() < 0.7:
        sigma = rng.uniform(0.4, 1.8)
        return each_frame(frames, lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma))
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    for step in np.linspace(-middle, middle, 4 * length):
        kernel[round(middle + step * np.sin(angle)), round(middle + step * np.cos(angle))] += 1
    kernel /= kernel.sum()
    return each_frame(frames, lambda frame: cv2.filter2D(frame, -1, kernel))


def sharpened(frames: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    """Return ``frames`` with edges raised by ``amount`` (0 for none), as phones and encoders raise them."""
    kernel = np.full((3, 3), -amount / 8, dtype=np.float32)
    kernel[1, 1] = 1 + amount
    return each_frame(frames, lambda frame: cv2.filter2D(frame, -1, kernel))


def noisy(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ``frames`` with sensor noise of 1 to 8 grey levels, fresh in each frame."""
    size = rng.uniform(1.0, 8.0)
    _, height, width, _ = frames.shape
    # One large field, read at another place for each frame: drawing 5 million normal numbers would take longer
    # than everything else here together.
    field = np.empty((height + 64, width + 64, 3), dtype=np.int16)
    field[:] = np.round(rng.standard_normal(field.shape, dtype=np.float32) * size)
    if rng.random() < 0.3:
        field = cv2.GaussianBlur(field, (3, 3), 0.8)

    def with_grain(frame: NDArray[np.uint8]) -> Any:
        top, left = rng.integers(0, 65, 2)
        return cv2.add(frame, np.ascontiguousarray(field[top : top + height, left : left + width]), dtype=cv2.CV_8U)

    return each_frame(frames, with_grain)


def rescaled(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return stored crops at 0.35 to 1.15 times their size (even on both sides), by a random resampling kernel."""
    scale = float(np.exp(rng.uniform(np.log(0.35), np.log(1.15))))
    size_px = 2 * round(STORED_CROP_SIZE_PX * scale / 2)
    if size_px == frames.shape[1]:
        return frames
    kernel = int(rng.choice(_SHRINKERS))
    return each_frame(frames, lambda frame: cv2.resize(frame, (size_px, size_px), interpolation=kernel))


def slower(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ``frames`` as a source of a lower rate looks on the grid: nearest frame in time, so some repeat."""
    rate = float(rng.choice(SLOW_RATES_HZ))
    phase = rng.uniform(0, 1)
    ticks = np.round(np.arange(len(frames)) * rate / FRAME_RATE_HZ + phase)
    taken = np.round((ticks - phase) * FRAME_RATE_HZ / rate).astype(int)
    return np.asarray(frames[np.clip(taken, 0, len(frames) - 1)])


def each_frame(frames: NDArray[np.uint8], change: Callable[[NDArray[np.uint8]], Any]) -> NDArray[np.uint8]:
    """Return ``frames`` uint8 (slots, height, width, 3) with ``change`` made to each; it may change the size."""
    return np.stack([change(frame) for frame in frames]) if len(frames) else frames
