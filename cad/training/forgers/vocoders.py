# SPDX-License-Identifier: Apache-2.0
"""Small vocoders from log-mel to sound, with the three ways of enlarging that vocoders have."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cad.errors import OptionError
from cad.training.forgers.autoencoders import UPSAMPLERS, Upsampler

#: 128 samples a frame.
_FACTORS = (4, 4, 8)
_WIDTHS = (64, 48, 32, 16)
#: Window lengths of the loss, in samples. Source: Yamamoto et al., 2020 (Parallel WaveGAN), halved for 16 kHz.
_LOSS_WINDOWS = (256, 512, 1024)


class SmallVocoder(nn.Module):
    """From log-mel (batch, 80, frames) to sound (batch, frames * 128) in [-1, 1].

    Args:
        upsampler: Transposed convolution, nearest neighbour and convolution, or sub-pixel shuffle.
        mels: Bands.

    Raises:
        OptionError: There is no such upsampler.
    """

    def __init__(self, upsampler: Upsampler, mels: int = 80) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(mels, _WIDTHS[0], 7, padding=3)]
        for factor, before, after in zip(_FACTORS, _WIDTHS[:-1], _WIDTHS[1:], strict=True):
            layers += [nn.LeakyReLU(0.1), _enlarger(upsampler, before, after, factor), _Refined(after)]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.1), nn.Conv1d(_WIDTHS[-1], 1, 7, padding=3))

    def forward(self, mel: Tensor) -> Tensor:
        """Return the sound of ``mel``."""
        return torch.tanh(self.layers(mel)).squeeze(1)


class _Refined(nn.Module):
    """A dilated and a plain convolution beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv1d(channels, channels, 3, padding=3, dilation=3),
            nn.LeakyReLU(0.1),
            nn.Conv1d(channels, channels, 3, padding=1),
        )

    def forward(self, sound: Tensor) -> Tensor:
        refined: Tensor = sound + self.layers(sound)
        return refined


class _Shuffled(nn.Module):
    """A convolution that turns groups of channels into ``factor`` times as many samples."""

    def __init__(self, before: int, after: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.layer = nn.Conv1d(before, after * factor, 3, padding=1)

    def forward(self, sound: Tensor) -> Tensor:
        longer: Tensor = self.layer(sound).unflatten(1, (-1, self.factor)).transpose(2, 3).flatten(2)
        return longer


def _enlarger(upsampler: Upsampler, before: int, after: int, factor: int) -> nn.Module:
    if upsampler == "transposed":
        return nn.ConvTranspose1d(before, after, 2 * factor, stride=factor, padding=factor // 2)
    if upsampler == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=factor, mode="nearest"), nn.Conv1d(before, after, 7, padding=3))
    if upsampler == "shuffle":
        return _Shuffled(before, after, factor)
    raise OptionError(f"no upsampler {upsampler!r}; there are: {', '.join(UPSAMPLERS)}")


def spectral_loss(said: Tensor, wanted: Tensor) -> Tensor:
    """Return the multi-resolution spectral loss of two sounds (batch, samples).

    Source: Yamamoto et al., 2020, arXiv 1910.11480, equations 4 to 6.
    """
    losses = []
    for size in _LOSS_WINDOWS:
        given, right = (_magnitude(sound, size) for sound in (said, wanted))
        convergence = torch.linalg.vector_norm(right - given) / torch.linalg.vector_norm(right).clamp_min(1e-6)
        losses.append(convergence + functional.l1_loss(given.log(), right.log()))
    return torch.stack(losses).mean()


def _magnitude(sound: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=sound.device)
    spectrum = torch.stft(sound, size, size // 4, window=window, return_complex=True)
    power: Tensor = spectrum.real.square() + spectrum.imag.square()
    return power.clamp_min(1e-8 / math.sqrt(size)).sqrt()
