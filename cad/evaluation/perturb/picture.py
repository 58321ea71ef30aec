# SPDX-License-Identifier: Apache-2.0
"""Gives the catalogue the perturbations of single frames, uint8 (height, width, 3) RGB in and out."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

#: Blur and blocks are stated for a frame of this height and grow with it.
REFERENCE_HEIGHT_PX = 360


def resize(pixels: Pixels, scale: float) -> Pixels:
    """Return the frame shrunk to ``scale`` of its size and enlarged again."""
    height, width = pixels.shape[:2]
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cast(Pixels, cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def noise(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Return the frame with Gaussian noise of ``sigma`` grey levels."""
    noisy = pixels + rng.normal(0.0, sigma, pixels.shape).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Return the frame blurred by ``sigma`` px (at the reference height)."""
    return cast(Pixels, cv2.GaussianBlur(pixels, (0, 0), sigma * pixels.shape[0] / REFERENCE_HEIGHT_PX))


def pixelate(pixels: Pixels, block_px: float) -> Pixels:
    """Return the frame in blocks of ``block_px`` px (at the reference height)."""
    height, width = pixels.shape[:2]
    block = max(1.0, block_px * height / REFERENCE_HEIGHT_PX)
    size = max(1, round(width / block)), max(1, round(height / block))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cast(Pixels, cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Return the frame with its colours scaled by ``factor``: 1 changes nothing, 0 is grey, 2 is garish."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return np.clip(grey + factor * (pixels - grey), 0, 255).astype(np.uint8)
