# SPDX-License-Identifier: Apache-2.0
"""From uint8 frames to what an image net reads, and from sparse tokens back to the 25 Hz grid."""

from __future__ import annotations

from torch import Tensor


def images_of(frames: Tensor, frames_present: Tensor, mean: float = 127.5, deviation: float = 127.5) -> Tensor:
    """Return normalised images; an absent frame becomes the mean colour, whatever its pixels are.

    Args:
        frames: uint8 (batch, time, height, width, 3).
        frames_present: float32 (batch, time).
        mean: Subtracted from each channel, in grey levels.
        deviation: Divisor, in grey levels.

    Returns:
        float32 (batch * time, 3, height, width).
    """
    images = frames.flatten(0, 1).permute(0, 3, 1, 2).to(frames_present.dtype)
    return ((images - mean) * (1.0 / deviation)) * frames_present.reshape(-1, 1, 1, 1)


def hold(tokens: Tensor, stride: int, slots: int) -> Tensor:
    """Repeat each token of every ``stride``-th slot until the next one: (batch, n, ...) to (batch, slots, ...)."""
    return tokens.repeat_interleave(stride, dim=1)[:, :slots]
