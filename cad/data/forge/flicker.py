# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face made frame by frame, whose place, light and sharpness change between frames."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.forge.patching import register_face


@register_face("flicker", ("face", "face", "inner_face", "lower_face", "mouth", "eyes"))
def flicker(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make place, size, colour and sharpness of the face independent between frames, in random proportions."""
    slots, side = frames.shape[:2]
    # At least one of the three is clearly there; the others may be too.
    parts = rng.uniform(0, 1, 3)
    parts[int(rng.integers(3))] = rng.uniform(0.7, 1)
    place = parts[0] * 1.1 * rng.standard_normal((slots, 2))
    size = 1 + parts[0] * 0.008 * rng.standard_normal(slots)
    light = parts[1] * 5 * (rng.standard_normal((slots, 1)) + 0.4 * rng.standard_normal((slots, 3)))
    softness = parts[2] * 0.9 * np.abs(rng.standard_normal(slots))
    out = np.empty_like(frames)
    for slot, frame in enumerate(frames):
        move = cv2.getRotationMatrix2D((side / 2, side / 2), 0.0, size[slot])
        move[:, 2] += place[slot]
        moved = cv2.warpAffine(frame, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if softness[slot] > 0.25:
            moved = cv2.GaussianBlur(moved, (0, 0), softness[slot])
        out[slot] = np.clip(moved + np.round(light[slot]).astype(np.int16), 0, 255)
    return out
