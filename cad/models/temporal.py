# SPDX-License-Identifier: Apache-2.0
"""TemporalBlock gives encoders and alignment a convolution over time that cannot tell where in the window it is."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class TemporalBlock(nn.Module):
    """Residual convolution over time: ``x + conv(gelu(norm(x)))``.

    Its border repeats the first and last step. Zeros there would tell an encoder its absolute position, and two such
    encoders would then agree on the position instead of on what is said.

    Args:
        width: Channels.
        dropout: Share of channels dropped in training.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pad = 2
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (batch, time, width) to the same shape."""
        hidden = F.gelu(self.norm(tokens)).transpose(1, 2)
        mixed: Tensor = self.conv(F.pad(hidden, (self.pad, self.pad), mode="replicate"))
        dropped: Tensor = self.dropout(mixed.transpose(1, 2))
        return tokens + dropped
