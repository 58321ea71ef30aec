# SPDX-License-Identifier: Apache-2.0
"""Colour changes for augmentation and self-blending: one look-up table and one 3x3 matrix for a whole picture track."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: RGB to YIQ, in which hue is an angle and saturation a radius. Source: ITU-R BT.470 (NTSC).
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def colour_matrix(hue_turn: float, saturation: float) -> NDArray[np.float32]:
    """Return the RGB matrix (3, 3) that turns the hue (in turns) and scales the saturation."""
    angle = 2 * np.pi * hue_turn
    turn = saturation * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inner = np.eye(3)
    inner[1:, 1:] = turn
    return np.asarray(np.linalg.inv(_YIQ) @ inner @ _YIQ, dtype=np.float32)


def tone_table(brightness: float, contrast: float, gamma: float, shift: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the look-up table uint8 (1, 256, 3).

    Args:
        brightness: Added, in grey levels.
        contrast: Factor around mid-grey.
        gamma: Exponent.
        shift: (3,) added to each channel, in grey levels.
    """
    level = (np.arange(256) / 255) ** gamma * 255
    level = (level - 127.5) * contrast + 127.5 + brightness
    return np.clip(np.round(level[:, None] + shift), 0, 255).astype(np.uint8)[None]


def recoloured(
    frames: NDArray[np.uint8], table: NDArray[np.uint8] | None, matrix: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    """Return ``frames`` uint8 (slots, height, width, 3) after matrix, then table."""
    tall = np.ascontiguousarray(frames).reshape(-1, frames.shape[2], 3)
    if matrix is not None:
        tall = np.asarray(cv2.transform(tall, matrix), dtype=np.uint8)
    if table is not None:
        tall = np.asarray(cv2.LUT(tall, table), dtype=np.uint8)
    return tall.reshape(frames.shape)
