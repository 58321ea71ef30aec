# SPDX-License-Identifier: Apache-2.0
"""LogMel gives the speech encoders Whisper's log-mel spectrogram, made by a convolution and a matrix product."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.audio_utils import mel_filter_bank

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

N_FFT = 400
HOP_SAMPLES = 160
MEL_BANDS = 80
MEL_FRAMES_PER_SLOT = SAMPLES_PER_FRAME // HOP_SAMPLES


class LogMel(nn.Module):
    """Log-mel spectrogram with Whisper's constants, 100 frames a second.

    The short-time Fourier transform is a strided convolution with a windowed cosine and sine basis, because every
    runtime has a fast kernel for that, but not for an STFT operator.

    Source: arXiv 2212.04356 and its published feature extractor (window 400, hop 160, 80 Slaney mel bands, base-10
    logarithm, cut 8 below the maximum, then (x + 4) / 4).
    """

    basis: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", fourier_basis(), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, audio: Tensor, audio_present: Tensor) -> Tensor:
        """Return the spectrogram.

        Args:
            audio: float32 (batch, time * 640) in [-1, 1] at 16 kHz.
            audio_present: float32 (batch, time); samples of absent slots count as silence, whatever they hold.

        Returns:
            float32 (batch, 80, time * 4), between -1.5 and about 1.5; the maximum behind the cut is the window's own.
        """
        batch, slots = audio_present.shape
        samples = audio.reshape(batch, slots, SAMPLES_PER_FRAME) * audio_present.unsqueeze(-1)
        padded = F.pad(samples.reshape(batch, 1, slots * SAMPLES_PER_FRAME), (N_FFT // 2, N_FFT // 2), mode="reflect")
        spectrum = F.conv1d(padded, self.basis, stride=HOP_SAMPLES)[:, :, :-1].square()
        power = spectrum[:, : N_FFT // 2 + 1] + spectrum[:, N_FFT // 2 + 1 :]
        logarithm = torch.matmul(self.filters, power).clamp(min=1e-10).log() * (1.0 / math.log(10.0))
        floor = logarithm.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(logarithm, floor) + 4.0) * 0.25


def fourier_basis() -> Tensor:
    """Return the Hann-windowed cosine and sine kernels, float32 (2 * 201, 1, 400)."""
    samples = torch.arange(N_FFT, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * samples / N_FFT)
    phase = 2 * math.pi * torch.outer(torch.arange(N_FFT // 2 + 1, dtype=torch.float64), samples) / N_FFT
    return (torch.cat([torch.cos(phase), torch.sin(phase)]) * window).unsqueeze(1).float()


def mel_filters() -> Tensor:
    """Return the Slaney mel filter bank, float32 (80, 201), area-normalised, 0 to 8000 Hz.

    Source: Slaney, Auditory Toolbox, 1998 (linear below 1 kHz, logarithmic above), as in librosa.filters.mel.
    """
    top_hz = SAMPLE_RATE_HZ / 2
    filters = mel_filter_bank(N_FFT // 2 + 1, MEL_BANDS, 0.0, top_hz, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(filters.T).float().contiguous()
