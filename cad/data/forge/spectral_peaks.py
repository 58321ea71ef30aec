# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face with the regular grid of upsampling, which gives isolated peaks in its spectrum."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.forge.patching import register_face


@register_face("spectral_peaks")
def spectral_peaks(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Smooth the face a little, as generators do, and add a faint fixed grid of 2, 4 or 8 pixels.

    Source of the effect: Frank et al., 2020, "Leveraging frequency analysis for deep fake image recognition",
    arXiv 2003.08685.
    """
    side = frames.shape[1]
    period = int(rng.choice([2, 4, 8]))
    tile = rng.standard_normal((period, period, 3)).astype(np.float32)
    tile -= tile.mean(axis=(0, 1))
    grid = np.tile(tile, (side // period, side // period, 1))
    # 1.5 to 4 grey levels: visible in a spectrum, hardly to the eye.
    grid *= np.float32(rng.uniform(1.5, 4)) / (grid.std() + 1e-6)
    levels = np.round(grid).astype(np.int16)
    sigma = rng.uniform(0.5, 1.2)
    return each_frame(frames, lambda frame: cv2.add(cv2.GaussianBlur(frame, (0, 0), sigma), levels, dtype=cv2.CV_8U))
