# SPDX-License-Identifier: Apache-2.0
"""Small face autoencoders whose decoders enlarge in the three ways that generators do."""

from __future__ import annotations

import itertools
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from cad.errors import OptionError

Upsampler = Literal["transposed", "nearest", "shuffle"]
UPSAMPLERS: tuple[Upsampler, ...] = get_args(Upsampler)
_WIDTHS = (16, 32, 64, 96)


class FaceAutoencoder(nn.Module):
    """From patches (batch, 3, 96, 96) in [0, 1] to the same shape through a code of 6 x 6 x ``code_channels``.

    Args:
        upsampler: Transposed convolution, nearest neighbour and convolution, or pixel shuffle.
        code_channels: Width of the code: fewer lose more of the face.

    Raises:
        OptionError: There is no such upsampler.
    """

    def __init__(self, upsampler: Upsampler, code_channels: int = 24) -> None:
        super().__init__()
        channels = (3, *_WIDTHS)
        down = [
            nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.1))
            for before, after in itertools.pairwise(channels)
        ]
        self.encoder = nn.Sequential(*down, nn.Conv2d(_WIDTHS[-1], code_channels, 1))
        up: list[nn.Module] = [nn.Conv2d(code_channels, _WIDTHS[-1], 1), nn.LeakyReLU(0.1)]
        widths = (*reversed(_WIDTHS), 16)
        for before, after in itertools.pairwise(widths):
            up += [enlarger(upsampler, before, after), nn.LeakyReLU(0.1)]
        self.decoder = nn.Sequential(*up, nn.Conv2d(16, 3, 3, padding=1))

    def forward(self, patches: Tensor) -> Tensor:
        """Return the patches as drawn from their codes, in [0, 1]."""
        return torch.sigmoid(self.decoder(self.encoder(patches)))


def enlarger(upsampler: Upsampler, before: int, after: int) -> nn.Module:
    """Return a module that doubles height and width.

    Raises:
        OptionError: There is no such upsampler.
    """
    if upsampler == "transposed":
        # A kernel of 3 with a stride of 2 overlaps unevenly: the checkerboard of Odena et al., 2016.
        return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
    if upsampler == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(before, after, 3, padding=1))
    if upsampler == "shuffle":
        return nn.Sequential(nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2))
    raise OptionError(f"no upsampler {upsampler!r}; there are: {', '.join(UPSAMPLERS)}")


def drawing_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Return mean absolute error of pixels and, twice as heavy, of edges (without them, faces come out as fog)."""
    pixels = functional.l1_loss(drawn, wanted)
    across = functional.l1_loss(drawn.diff(dim=-1), wanted.diff(dim=-1))
    down = functional.l1_loss(drawn.diff(dim=-2), wanted.diff(dim=-2))
    return pixels + 2 * (across + down)
