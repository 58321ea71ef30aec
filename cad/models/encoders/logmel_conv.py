# SPDX-License-Identifier: Apache-2.0
"""Speech encoder from scratch: convolutions on the log-mel spectrogram."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cad.errors import WeightsError
from cad.models.encoders.interfaces import SpeechEncoder
from cad.models.logmel import MEL_BANDS
from cad.models.temporal import TemporalBlock


class LogMelConvEncoder(SpeechEncoder):
    """One halving from 100 Hz frames to 50 Hz tokens and residual convolutions, nothing pretrained.

    Args:
        width: Features of a token.
        blocks: Residual convolutions over time.
        dropout: Share of features dropped in each block in training.
    """

    tokens_per_slot = 2
    frozen = False

    def __init__(self, width: int = 128, blocks: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Conv1d(MEL_BANDS, width, 5)
        self.halve = nn.Conv1d(width, width, 4, stride=2)
        self.blocks = nn.Sequential(*(TemporalBlock(width, 5, dropout) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Return tokens at 50 Hz (see SpeechEncoder)."""
        hidden = F.gelu(self.stem(F.pad(log_mel, (2, 2), mode="replicate")))
        hidden = F.gelu(self.halve(F.pad(hidden, (1, 1), mode="replicate"))).transpose(1, 2)
        tokens: Tensor = self.norm(self.blocks(hidden))
        return tokens

    def load_pretrained(self) -> None:
        """Refuse: there is nothing published for it.

        Raises:
            WeightsError: Always.
        """
        raise WeightsError(
            "logmel_conv has no published starting weights; train it from scratch, or use whisper_layers"
        )
