# SPDX-License-Identifier: Apache-2.0
"""BandedCrossAttention lets each slot of the lips or the sound look at the other's slots around the same time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cad.models.masks import masked_softmax


class BandedCrossAttention(nn.Module):
    """Each slot of one modality looks at the other modality's slots at most ``band_slots`` away.

    It has a learned bias for each relative position, so that it can prefer a lag, and no absolute position.

    Args:
        width: Features of a token.
        heads: Attention heads.
        band_slots: Half-width of the band.
    """

    def __init__(self, width: int, heads: int, band_slots: int) -> None:
        super().__init__()
        self.heads = heads
        self.band_slots = band_slots
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.lag_bias = nn.Parameter(torch.zeros(heads, 2 * band_slots + 1))

    def forward(self, tokens: Tensor, others: Tensor, others_present: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            tokens: (batch, time, width) that look.
            others: (batch, time, width) that are looked at.
            others_present: (batch, time).

        Returns:
            Tokens with what they gathered (batch, time, width), and the attention averaged over the heads (batch,
            time, time); a row of it sums to 1, or to 0 where nothing of the band is present.
        """
        batch, steps, width = tokens.shape
        query = self.query(self.norm(tokens)).reshape(batch, steps, self.heads, -1).transpose(1, 2)
        fused = self.key_value(self.norm(others)).reshape(batch, steps, 2, self.heads, -1)
        key, value = fused.permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(query, key.transpose(-1, -2)) * (query.shape[-1] ** -0.5)
        inside, bias = self._band(steps, tokens)
        weights = masked_softmax(scores + bias, inside * others_present[:, None, None, :])
        gathered = torch.matmul(weights, value).transpose(1, 2).reshape(batch, steps, width)
        return tokens + self.out(gathered), weights.mean(1)

    def _band(self, steps: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return the band (time, time) as 0 and 1, and the bias (heads, time, time)."""
        places = torch.arange(steps, device=like.device)
        lags = places.unsqueeze(0) - places.unsqueeze(1)
        inside = (lags.abs() <= self.band_slots).to(like.dtype)
        return inside, self.lag_bias[:, lags.clamp(-self.band_slots, self.band_slots) + self.band_slots]
