# SPDX-License-Identifier: Apache-2.0
"""``blend`` puts one picture track into another through a soft mask, and touches only the mask's own box."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def mask_box(mask: NDArray[np.float32], floor: float = 1 / 255) -> tuple[slice, slice]:
    """Return the rows and columns that hold all of ``mask`` (height, width) above ``floor``."""
    rows = np.flatnonzero(mask.max(axis=1) > floor)
    columns = np.flatnonzero(mask.max(axis=0) > floor)
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def blend(
    background: NDArray[np.uint8],
    foreground: NDArray[np.uint8],
    mask: NDArray[np.float32],
    ratio: float,
    shifts_px: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Return ``background`` with ``foreground`` where ``mask`` is one.

    Args:
        background: uint8 (slots, height, width, 3).
        foreground: uint8, same shape.
        mask: float32 (height, width) in [0, 1].
        ratio: Strength in [0, 1].
        shifts_px: float32 (slots, 2); moves the mask in each slot (x, y).
    """
    out = background.copy()
    rows, columns = mask_box(mask)
    pad = int(np.ceil(np.abs(shifts_px).max(initial=0)))
    rows = slice(max(rows.start - pad, 0), min(rows.stop + pad, mask.shape[0]))
    columns = slice(max(columns.start - pad, 0), min(columns.stop + pad, mask.shape[1]))
    inside = np.ascontiguousarray(mask[rows, columns])
    size = (inside.shape[1], inside.shape[0])
    for slot, (right, down) in enumerate(shifts_px):
        move = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
        moved = cv2.warpAffine(inside, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        weight = np.asarray(moved, dtype=np.float32) * np.float32(ratio)
        out[slot, rows, columns] = cv2.blendLinear(
            np.ascontiguousarray(foreground[slot, rows, columns]),
            np.ascontiguousarray(background[slot, rows, columns]),
            weight,
            1 - weight,
        )
    return out


def smooth_walk(steps: int, channels: int, rng: np.random.Generator, smoothing: float = 4.0) -> NDArray[np.float32]:
    """Return a smooth random signal float32 (steps, channels) of about unit size.

    Args:
        steps: Length in slots.
        channels: Independent signals.
        rng: Source of chance.
        smoothing: Standard deviation in slots of the Gaussian that smooths white noise.
    """
    reach = int(np.ceil(3 * smoothing))
    noise = rng.standard_normal((steps + 2 * reach, channels))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / smoothing) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    walk = np.stack([np.convolve(noise[:, one], kernel, mode="valid") for one in range(channels)], axis=1)
    return walk.astype(np.float32)
