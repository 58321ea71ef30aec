# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes by vocoders without a network: sound from a mel spectrogram, with phases estimated or made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.data.forge.resynthesis import register_voice
from cad.data.forge.spectra import Spectrum, istft, stft, through_mel

#: Window lengths in samples at 16 kHz (25 to 64 ms) and how often the hop fits into them, as recipes have them.
_WINDOWS = (512, 512, 768, 1024)
_MELS = (40, 64, 80, 80, 100, 128)


@register_voice("griffin_lim")
def griffin_lim(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Find phases for a mel spectrogram by iteration.

    Source: Griffin and Lim, 1984, with the momentum of Perraudin, Balazs and Søndergaard, 2013.
    """
    size = _WINDOWS[int(rng.integers(len(_WINDOWS)))]
    hop = size // 4
    magnitude = _mel_magnitude(np.abs(stft(audio, size, hop)), size, rng)
    phases = _random_phases(magnitude.shape, rng)
    before = np.zeros_like(phases)
    # From 4 rounds (metallic) to 14 (smooth); more costs more and changes little.
    for _ in range(int(rng.integers(4, 15))):
        heard = stft(istft(magnitude * phases, size, hop, len(audio)), size, hop)
        moved = heard + np.float32(0.9) * (heard - before)
        before = heard
        phases = np.asarray(moved / np.maximum(np.abs(moved), np.float32(1e-8)), dtype=np.complex64)
    return istft(magnitude * phases, size, hop, len(audio))


@register_voice("made_up_phase")
def made_up_phase(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Give a mel spectrogram phases that were never heard: random ones, or the old ones blurred by noise."""
    size = _WINDOWS[int(rng.integers(len(_WINDOWS)))]
    hop = size // int(rng.choice([2, 4]))
    spectrum = stft(audio, size, hop)
    magnitude = np.abs(spectrum)
    if rng.random() < 0.7:
        magnitude = _mel_magnitude(magnitude, size, rng)
    if rng.random() < 0.5:
        return istft(magnitude * _random_phases(magnitude.shape, rng), size, hop, len(audio))
    blur = rng.uniform(0.6, 2.0) * rng.standard_normal(magnitude.shape, dtype=np.float32)
    old = spectrum / np.maximum(np.abs(spectrum), np.float32(1e-8))
    return istft(magnitude * old * np.exp(1j * blur).astype(np.complex64), size, hop, len(audio))


def _mel_magnitude(magnitude: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    mels = _MELS[int(rng.integers(len(_MELS)))]
    return through_mel(magnitude, size, mels, float(rng.choice([0.0, 20.0, 80.0])), float(rng.choice([7000.0, 8000.0])))


def _random_phases(shape: tuple[int, ...], rng: np.random.Generator) -> Spectrum:
    return np.asarray(np.exp(2j * np.pi * rng.random(shape, dtype=np.float32)), dtype=np.complex64)
