# SPDX-License-Identifier: Apache-2.0
"""The face net as torch trains it: it gives boxes, five points and a score for each cell, at strides 8, 16 and 32.

It is anchor-free and depthwise separable, in the manner of YuNet (Wu et al., Machine Intelligence Research 20, 2023);
widths, neck and decoding are ours. A convolution of kernel 3, stride 2 and padding 1 puts output cell i over input
pixel 2i, whatever the input's size, so cell i of stride s looks at pixel s * i and no size needs padding.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation  # type: ignore[import-untyped]

STRIDES = (8, 16, 32)
MEAN, SPREAD = 127.5, 64.0
#: A size whose logarithm lies above this comes from an untrained net.
_SIZE_LIMIT = 4.0
#: A convolution without bias that keeps the size (divides it by the stride), and its BatchNorm.
convolution = partial(Conv2dNormActivation, activation_layer=None)


class Separable(nn.Module):
    """A 3x3 depthwise and a 1x1 pointwise convolution, with a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = convolution(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = convolution(inputs, outputs, 1)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outputs, rows, columns)."""
        y = self.pointwise(functional.relu(self.depthwise(x)))
        return functional.relu(x + y if self.shortcut else y)


def stage(inputs: int, outputs: int, repeats: int) -> nn.Sequential:
    """Return a layer that halves height and width, and ``repeats`` that keep them."""
    return nn.Sequential(Separable(inputs, outputs, 2), *(Separable(outputs, outputs) for _ in range(repeats)))


class FaceNet(nn.Module):
    """Takes uint8 RGB pictures and gives one candidate for each cell.

    Input (batch, height, width, 3) uint8 or float of the same range, any size of at least 32. Output: ``boxes``
    (batch, cells, 4) left, top, right, bottom; ``points`` (batch, cells, 5, 2); ``scores`` (batch, cells) in [0, 1];
    pixels of the input.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 96, 128), neck: int = 48) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, 3, 2), nn.ReLU())
        self.stage4 = stage(16, widths[0], 1)
        self.stages = nn.ModuleList(
            [stage(widths[0], widths[1], 2), stage(widths[1], widths[2], 3), stage(widths[2], widths[3], 2)]
        )
        self.laterals = nn.ModuleList([convolution(width, neck, 1) for width in widths[1:]])
        self.smooths = nn.ModuleList([Separable(neck, neck) for _ in STRIDES])
        self.towers = nn.ModuleList([Separable(neck, neck) for _ in STRIDES])
        heads = [nn.Conv2d(neck, 15, 1) for _ in STRIDES]
        self.heads = nn.ModuleList(heads)
        for head in heads:
            assert head.bias is not None
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            with torch.no_grad():
                head.bias[0] = -4.0  # faces are rare: about 2 % at the start
                head.bias[3:5] = 1.0

    def raw(self, frames: Tensor) -> list[Tensor]:
        """Return the three head maps, each (batch, 15, rows, columns): score logit, box 4, points 10."""
        x = (frames.permute(0, 3, 1, 2).float() - MEAN) / SPREAD
        x = self.stage4(self.stem(x))
        maps = []
        for deeper in self.stages:
            x = deeper(x)
            maps.append(x)
        top = None
        heads: list[Tensor] = []
        for level in (2, 1, 0):
            y = self.laterals[level](maps[level])
            if top is not None:
                y = y + functional.interpolate(top, size=y.shape[-2:], mode="nearest")
            top = self.smooths[level](functional.relu(y))
            heads.insert(0, self.heads[level](self.towers[level](top)))
        return heads

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, points and scores, see the class."""
        decoded = [decode(head, stride) for head, stride in zip(self.raw(frames), STRIDES, strict=True)]
        logits, boxes, points = (torch.cat(parts, dim=1) for parts in zip(*decoded, strict=True))
        return boxes, points, torch.sigmoid(logits)


def cell_places(maps: Tensor, stride: int) -> Tensor:
    """Return the pixel x, y (cells, 2) that each cell of ``maps`` (batch, channels, rows, columns) looks at."""
    rows, columns = (torch.arange(side, device=maps.device).float() for side in maps.shape[2:])
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(-1, 2) * stride


def decode(head: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits (batch, cells), boxes (batch, cells, 4) and points (batch, cells, 5, 2) of one level."""
    cells = cell_places(head, stride)
    flat = head.flatten(2).transpose(1, 2)
    centre = cells + flat[..., 1:3] * stride
    half = torch.exp(flat[..., 3:5].clamp(max=_SIZE_LIMIT)) * (stride / 2)
    points = cells[:, None] + flat[..., 5:15].reshape(flat.shape[0], -1, 5, 2) * stride
    return flat[..., 0], torch.cat([centre - half, centre + half], dim=-1), points
