# SPDX-License-Identifier: Apache-2.0
"""masked_mean and its kin give the network means and deviations over the part of a sequence that is present.

A presence is float32 with 1 where something is and 0 where nothing is. The results are finite even where nothing at all
is present.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Keeps a deviation's gradient finite where a feature does not vary.
VARIANCE_FLOOR = 1e-5


def masked_mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over time of the present steps; zeros where none is.

    Args:
        values: (batch, time, width).
        present: (batch, time).

    Returns:
        (batch, width).
    """
    weights = present.unsqueeze(-1)
    return (values * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def masked_statistics(values: Tensor, present: Tensor) -> Tensor:
    """Return mean and standard deviation over the present steps, side by side.

    Args:
        values: (batch, time, width).
        present: (batch, time).

    Returns:
        (batch, 2 * width).
    """
    mean = masked_mean(values, present)
    variance = masked_mean((values - mean.unsqueeze(1)).square(), present)
    return torch.cat([mean, (variance + VARIANCE_FLOOR).sqrt()], dim=-1)


def local_sum(values: Tensor, slots: int) -> Tensor:
    """Return the sum over a centred stretch of time around each step; zeros continue the sequence.

    Args:
        values: (batch, time, width).
        slots: Length of the stretch, odd.

    Returns:
        (batch, time, width).
    """
    pooled = F.avg_pool1d(values.transpose(1, 2), slots, stride=1, padding=slots // 2, count_include_pad=True)
    return pooled.transpose(1, 2) * slots


def local_mean(values: Tensor, present: Tensor, per_slot: int, slots: int) -> Tensor:
    """Return the mean over the present steps of the stretch around each grid slot; zeros where none is.

    Args:
        values: (batch, time * per_slot, width).
        present: (batch, time * per_slot).
        per_slot: Steps of ``values`` in a grid slot.
        slots: Length of the stretch in grid slots, odd.

    Returns:
        (batch, time, width).
    """
    batch, steps, width = values.shape
    weights = present.unsqueeze(-1)
    total = (values * weights).reshape(batch, steps // per_slot, per_slot, width).sum(2)
    count = weights.reshape(batch, steps // per_slot, per_slot, 1).sum(2)
    return local_sum(total, slots) / local_sum(count, slots).clamp(min=1.0)


def local_statistics(values: Tensor, present: Tensor, per_slot: int, slots: int) -> Tensor:
    """Return mean and standard deviation over the stretch around each grid slot, as ``masked_statistics`` for a clip.

    Args:
        values: (batch, time * per_slot, width).
        present: (batch, time * per_slot).
        per_slot: Steps of ``values`` in a grid slot.
        slots: Length of the stretch in grid slots, odd.

    Returns:
        (batch, time, 2 * width).
    """
    # Deviations are taken about the clip's mean first: the difference of two large squares would lose digits.
    centre = masked_mean(values, present).unsqueeze(1)
    first = local_mean(values - centre, present, per_slot, slots)
    second = local_mean((values - centre).square(), present, per_slot, slots)
    variance = (second - first.square()).clamp(min=0.0)
    return torch.cat([first + centre, (variance + VARIANCE_FLOOR).sqrt()], dim=-1)


def changes(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return by how much each step differs from the one before it, and where both of them are present.

    Args:
        values: (batch, time, width).
        present: (batch, time).

    Returns:
        Absolute differences (batch, time, width), zero at the first step, and their presence (batch, time).
    """
    differences = (values[:, 1:] - values[:, :-1]).abs()
    return F.pad(differences, (0, 0, 1, 0)), F.pad(present[:, 1:] * present[:, :-1], (1, 0))


def masked_softmax(logits: Tensor, present: Tensor) -> Tensor:
    """Return a softmax over the last axis that gives nothing to absent entries; all zeros where all are absent."""
    weights = torch.softmax(logits + (1.0 - present) * -1e4, dim=-1)
    return weights * present
