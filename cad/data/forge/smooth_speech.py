# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes of the voice: over-smoothed speech of statistical synthesis, and the images of upsampling networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.data.forge.resynthesis import register_voice
from cad.data.forge.spectra import istft, mel_filters, smooth_along_time, stft
from cad.resampling import of_length, resampled


@register_voice("smooth_speech")
def smooth_speech(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth the spectral envelope along time and shrink its variance, which is what averaging models do.

    Source of the effect: Toda and Tokuda, 2007 (global variance).
    """
    size, hop = 512, 128
    spectrum = stft(audio, size, hop)
    magnitude = np.abs(spectrum)
    filters, _ = mel_filters(size, int(rng.choice([24, 40, 60])), 0.0, 8000.0)
    bands = np.log(magnitude @ filters.T + 1e-5)
    smooth = smooth_along_time(bands, rng.uniform(1.5, 4.0))
    # Only speech is averaged: pauses keep their level, or a raised noise floor would give the forgery away.
    loud = bands.mean(axis=1)
    speech = np.clip((loud - loud.max() + 6.0) / 1.5, 0, 1)[:, None]
    mean = (speech * smooth).sum(axis=0) / speech.sum()
    smooth = mean + rng.uniform(0.75, 0.95) * (smooth - mean)
    # The change of each band, spread over its bins; harmonics stay.
    shares = filters / np.maximum(filters.sum(0), 1e-6)
    change = np.exp((speech * (smooth - bands)) @ shares)
    phase = np.float32(rng.uniform(0.0, 1.0)) * rng.standard_normal(magnitude.shape, dtype=np.float32)
    turned = np.exp(1j * phase).astype(np.complex64)
    return istft((spectrum * change * turned).astype(np.complex64), size, hop, len(audio))


@register_voice("upsampled_band")
def upsampled_band(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Replace the high band by the images of zero insertion and add the tones of uneven kernels.

    Source of the effect: Pons et al., 2021, "Upsampling artifacts in neural audio synthesis", arXiv 2010.14356.
    """
    factor = int(rng.choice([2, 2, 4]))
    low = resampled(audio, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // factor)
    stuffed = np.zeros(len(low) * factor, dtype=np.float32)
    if rng.random() < 0.5:
        stuffed[::factor] = low * factor
    else:  # nearest: held samples, delayed by half a hold, which is taken back here
        stuffed[:] = np.repeat(low, factor)
        stuffed = np.roll(stuffed, -(factor // 2)) if factor > 2 else stuffed
    size, hop = 512, 128
    knee = size // 2 // factor
    images = stft(of_length(stuffed, len(audio)), size, hop)[:, knee:]
    mixed = stft(audio, size, hop)
    wanted = np.abs(mixed[:, knee:]).mean(axis=1, keepdims=True)
    given = np.abs(images).mean(axis=1, keepdims=True)
    gain = np.minimum(wanted / np.maximum(given, 1e-7), 10.0) * np.float32(rng.uniform(0.5, 1.3))
    mixed[:, knee:] = images * gain
    return istft(mixed, size, hop, len(audio)) + _tones(audio, rng)


def _tones(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return faint tones at the rates of a network's inner layers, as loud as the speech allows them."""
    seconds = np.arange(len(audio), dtype=np.float32) / SAMPLE_RATE_HZ
    level = 10 ** (rng.uniform(-62, -45) / 20) * float(np.abs(audio).max(initial=0))
    step = float(rng.choice([1000.0, 2000.0, 4000.0, 1600.0]))
    tones = [np.cos(2 * np.pi * hz * seconds + rng.uniform(0, 6)) for hz in np.arange(step, 7999, step)]
    return np.asarray(level * np.sum(tones, axis=0) / len(tones), dtype=np.float32)
