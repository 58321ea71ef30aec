# SPDX-License-Identifier: Apache-2.0
"""Standardising by running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Values further out than this many deviations are cut: strangers' recordings must not blow a linear head up.
CLIP_DEVIATIONS = 8.0


class RunningStandardizer(nn.Module):
    """Subtracts the running mean and divides by the running deviation, the same way in training and after it.

    Unlike batch normalisation the current batch never enters its own normalisation (beyond its small share in the
    running statistics), so that a clip's result does not depend on its neighbours and absent rows can be left out.

    Args:
        width: Number of features.
        momentum: Weight of the newest batch once the average has settled; until then it is a plain average.

    Example:
        >>> standardize = RunningStandardizer(2)
        >>> _ = standardize.train()(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), torch.ones(2))
        >>> standardize.eval()(torch.tensor([[4.0, 5.0]]), torch.ones(1)).round().tolist()
        [[2.0, 0.0]]
    """

    mean: Tensor
    square: Tensor
    batches: Tensor

    def __init__(self, width: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("square", torch.ones(width))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Standardise.

        Args:
            values: (..., width).
            present: (...) float32; entries with 0 do not enter the statistics.

        Returns:
            (..., width), cut at CLIP_DEVIATIONS.
        """
        if self.training:
            self._update(values.detach(), present)
        variance = (self.square - self.mean.square()).clamp(min=1e-5)
        return ((values - self.mean) * variance.rsqrt()).clamp(-CLIP_DEVIATIONS, CLIP_DEVIATIONS)

    @torch.no_grad()
    def _update(self, values: Tensor, present: Tensor) -> None:
        weights = present.reshape(-1, 1).float()
        rows = values.reshape(-1, values.shape[-1]).float()
        count = weights.sum()
        seen = (count > 0).to(torch.int64)
        self.batches += seen
        newest = torch.clamp(1.0 / self.batches.clamp(min=1), min=self.momentum) * seen
        share = weights / count.clamp(min=1.0)
        self.mean.lerp_((rows * share).sum(0), newest)
        self.square.lerp_((rows.square() * share).sum(0), newest)
