# SPDX-License-Identifier: Apache-2.0
"""LipNet gives alignment lip tokens: a small residual net with a spatio-temporal stem on every frame's mouth region."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.errors import OptionError
from cad.models.encoders.interfaces import LipEncoder
from cad.models.temporal import TemporalBlock

#: Rows and columns of the mouth in the 160 px crop; CANONICAL_POINTS_PX puts its corners at (63.7, 106.3) and
#: (96.8, 106.1).
MOUTH_TOP_PX, MOUTH_LEFT_PX, MOUTH_SIZE_PX = 76, 48, 64

#: ITU-R BT.601 luma.
_LUMA = (0.299, 0.587, 0.114)
_MEAN_LEVEL, _LEVEL_DEVIATION = 110.0, 55.0
#: Frames that the stem sees.
_STEM_FRAMES = 5


class LipNet(LipEncoder):
    """Five-frame stem, residual net per frame, convolutions over time.

    The stem is the three-dimensional convolution of lip-reading nets (arXiv 1703.04105), written as a two-dimensional
    one on a stack of neighbouring frames: the arithmetic is the same, and the runtimes are fast at it.

    Args:
        width: Features of a token.
        stages: Channels of the stem and of each later halving of the picture.
        temporal_blocks: Convolutions over time after the picture net.
        dropout: Share of features dropped before the projection in training.

    Raises:
        OptionError: There are fewer than two stages.
    """

    def __init__(
        self,
        width: int = 128,
        stages: tuple[int, ...] = (16, 24, 48, 96),
        temporal_blocks: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(stages) < 2:
            raise OptionError(f"stages must name the stem and at least one more, got {stages}")
        self.width = width
        self.stem = nn.Sequential(
            nn.Conv2d(_STEM_FRAMES, stages[0], 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(stages[0]), nn.ReLU()
        )
        self.stages = nn.Sequential(*(_Stage(before, after) for before, after in itertools.pairwise(stages)))
        side = MOUTH_SIZE_PX // 2 ** len(stages)
        self.project = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(stages[-1] * side * side, width), nn.LayerNorm(width)
        )
        self.temporal = nn.Sequential(*(TemporalBlock(width, dropout) for _ in range(temporal_blocks)))

    def forward(self, frames: Tensor, frames_present: Tensor) -> Tensor:
        """Encode the mouth region (see LipEncoder)."""
        batch, slots = frames_present.shape
        features: Tensor = self.stages(self.stem(self._stacks(self._mouths(frames, frames_present))))
        tokens = self.project(features).reshape(batch, slots, self.width)
        encoded: Tensor = self.temporal(tokens)
        return encoded

    def _mouths(self, frames: Tensor, frames_present: Tensor) -> Tensor:
        """Return the luma, float32 (batch, time, 1, 64, 64), an absent frame as the mean level."""
        rows = slice(MOUTH_TOP_PX, MOUTH_TOP_PX + MOUTH_SIZE_PX)
        columns = slice(MOUTH_LEFT_PX, MOUTH_LEFT_PX + MOUTH_SIZE_PX)
        mouths = frames[:, :, rows, columns]
        # By channel, not as a product with a vector: ONNX Runtime takes 30 ms for that, a third of the whole graph.
        channels = [mouths[..., channel].to(frames_present.dtype) for channel in range(3)]
        levels = (channels[0] * _LUMA[0] + channels[1] * _LUMA[1] + channels[2] * _LUMA[2]).unsqueeze(2)
        return (levels - _MEAN_LEVEL) * (1.0 / _LEVEL_DEVIATION) * frames_present[:, :, None, None, None]

    def _stacks(self, mouths: Tensor) -> Tensor:
        """Return (batch * time, frames of the stem, 64, 64): each frame with its neighbours as channels."""
        half = _STEM_FRAMES // 2
        padded = torch.cat([mouths[:, :1]] * half + [mouths] + [mouths[:, -1:]] * half, dim=1)
        slots = mouths.shape[1]
        neighbours = [padded[:, step : step + slots] for step in range(_STEM_FRAMES)]
        stacks = torch.cat(neighbours, dim=2).flatten(0, 1)
        # Channels last is a third faster in training on a CPU.
        return stacks.contiguous(memory_format=torch.channels_last)


class _Stage(nn.Module):
    """Halve the picture, then one residual block."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.down = _convolution(before, after, stride=2)
        self.first = _convolution(after, after)
        self.second = _convolution(after, after)

    def forward(self, maps: Tensor) -> Tensor:
        halved = F.relu(self.down(maps))
        return F.relu(halved + self.second(F.relu(self.first(halved))))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after))
