# SPDX-License-Identifier: Apache-2.0
"""images_of gives an image net what it reads from uint8 frames; hold brings sparse tokens back to the 25 Hz grid."""

from __future__ import annotations

import torch
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


def every(values: Tensor, stride: int) -> Tensor:
    """Take every ``stride``-th slot from the first: (batch, slots, ...) to (batch, n, ...)."""
    # Not a strided slice: its memory layout would tie the exported graph to lengths that the stride divides.
    return values.index_select(1, torch.arange(0, values.shape[1], stride, device=values.device))


def hold(tokens: Tensor, stride: int, slots: int) -> Tensor:
    """Undo ``every``, each token standing until the next: (batch, n, ...) to (batch, slots, ...)."""
    places = torch.arange(slots, device=tokens.device) // stride
    return tokens.index_select(1, places)
