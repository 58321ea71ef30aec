# SPDX-License-Identifier: Apache-2.0
"""RunningStandardizer gives the heads features that are standardised by statistics which settle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Values beyond this many deviations are cut: unusual recordings must not blow up a linear head.
CLIP_DEVIATIONS = 8.0
#: The statistics are the plain average of this many batches.
SETTLING_BATCHES = 200


class RunningStandardizer(nn.Module):
    """Subtracts the mean and divides by the deviation of the first batches, the same way in training and after it.

    Unlike in batch normalisation a batch does not enter its own normalisation (beyond its small share in the
    statistics). A clip's result therefore does not depend on its neighbours, and absent rows can be left out. Once
    settled it never changes, so what comes after it may be trained in one run and used in the next.

    Args:
        width: Number of features.

    Example:
        >>> standardize = RunningStandardizer(2)
        >>> _ = standardize.train()(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), torch.ones(2))
        >>> standardize.eval()(torch.tensor([[4.0, 5.0]]), torch.ones(1)).round().tolist()
        [[2.0, 0.0]]
    """

    mean: Tensor
    square: Tensor
    batches: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
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
        if self.training and int(self.batches) < SETTLING_BATCHES:
            self._update(values.detach(), present)
        variance = (self.square - self.mean.square()).clamp(min=1e-5)
        return ((values - self.mean) * variance.rsqrt()).clamp(-CLIP_DEVIATIONS, CLIP_DEVIATIONS)

    def settle(self) -> None:
        """Keep the statistics as they are from now on."""
        self.batches.fill_(SETTLING_BATCHES)

    @torch.no_grad()
    def _update(self, values: Tensor, present: Tensor) -> None:
        weights = present.reshape(-1, 1).float()
        rows = values.reshape(-1, values.shape[-1]).float()
        count = weights.sum()
        seen = (count > 0).to(torch.int64)
        self.batches += seen
        newest = 1.0 / self.batches.clamp(min=1) * seen
        share = weights / count.clamp(min=1.0)
        self.mean.lerp_((rows * share).sum(0), newest)
        self.square.lerp_((rows.square() * share).sum(0), newest)
