# SPDX-License-Identifier: Apache-2.0
"""Fusion gives the network one feature and one logit from three streams, any of which may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ABSENT_LOGIT = -1e4


class Fusion(nn.Module):
    """Makes the fused logit from the streams' logits, rising with each, and a small residual from the features.

    With little data a network on features fits the people it is trained on and spoils what the heads know. Here the
    fused logit starts as the mean of a sum and of a soft maximum of the streams' logits (with one stream: that stream's
    logit) and can only reweigh them by positive factors; the residual starts at zero. The streams' logits are detached:
    a clip with a forged voice must not teach the video head that its genuine face is fake.

    Args:
        width: Features of each representation.
        dropout: Dropout in the residual in training.
        concat: Use a plain network on the concatenated features instead, without the streams' logits (to compare).
    """

    def __init__(self, width: int, dropout: float, concat: bool = False) -> None:
        super().__init__()
        self.concat = concat
        self.absent = nn.Parameter(torch.randn(3, width) * 0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.joint = nn.Sequential(
            nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.LayerNorm(width)
        )
        self.residual = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, 1))
        # softplus(-0.433) = 0.5
        self.sum_weights = nn.Parameter(torch.full((3,), -0.4328))
        self.maximum_weight = nn.Parameter(torch.tensor(-0.4328))
        self.stream_bias = nn.Parameter(torch.zeros(3))
        if not concat:
            last = self.residual[-1]
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            features: (batch, 3, width) video, audio, shared.
            logits: (batch, 3) video, audio, sync.
            present: (batch, 3) 1 where the stream exists; the features and logits of others are not used.

        Returns:
            The joint feature (batch, width) and the fused logit (batch,), 0 where no stream exists.
        """
        normed = torch.stack([norm(features[:, index]) for index, norm in enumerate(self.norms)], dim=1)
        chosen = torch.where(present.unsqueeze(-1) > 0, normed, self.absent)
        joint: Tensor = self.joint(chosen.flatten(1))
        logit = self.residual(joint).squeeze(-1)
        if not self.concat:
            logit = logit + self._of_streams(logits.detach(), present)
        return joint, logit * present.amax(1)

    def _of_streams(self, logits: Tensor, present: Tensor) -> Tensor:
        """Return (batch,): rises with every present stream's logit."""
        shifted = torch.where(present > 0, logits + self.stream_bias, 0.0)
        total = (F.softplus(self.sum_weights) * shifted).sum(-1)
        soft_maximum = torch.logsumexp(torch.where(present > 0, shifted, _ABSENT_LOGIT), dim=-1)
        return total + F.softplus(self.maximum_weight) * soft_maximum * present.amax(1)
