# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes by a phase vocoder: speech stretched and squeezed back, or moved in pitch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from cad.clock import SAMPLE_RATE_HZ
from cad.data.forge.resynthesis import register_voice
from cad.data.forge.spectra import istft, stft
from cad.resampling import of_length, resampled

_SIZES = (512, 768, 1024)


def stretched(audio: NDArray[np.float32], factor: float, size: int) -> NDArray[np.float32]:
    """Return ``audio`` at ``factor`` times its length and the old pitch.

    Source: Flanagan and Golden, 1966; phases are propagated bin by bin.
    """
    hop = size // 4
    spectrum = stft(audio, size, hop)
    count = max(2, int(np.ceil(len(spectrum) * factor)))
    place = np.minimum(np.arange(count) / factor, len(spectrum) - 1.001)
    before = place.astype(int)
    share = (place - before).astype(np.float32)[:, None]
    magnitude = (1 - share) * np.abs(spectrum[before]) + share * np.abs(spectrum[before + 1])
    angle = np.angle(spectrum)
    expected = (2 * np.pi * hop / size * np.arange(spectrum.shape[1])).astype(np.float32)
    surplus = angle[before + 1] - angle[before] - expected
    advance = expected + surplus - 2 * np.pi * np.round(surplus / (2 * np.pi))
    phase = np.empty_like(magnitude, dtype=np.float64)
    phase[0] = angle[0]
    phase[1:] = angle[0] + np.cumsum(advance[:-1], axis=0, dtype=np.float64)
    turned = np.exp(1j * np.remainder(phase, 2 * np.pi)).astype(np.complex64)
    return istft((magnitude * turned).astype(np.complex64), size, hop, round(len(audio) * factor))


@register_voice("phase_vocoder")
def phase_vocoder(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Stretch and squeeze back: same words, same time, with the phasiness of machines."""
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.1, 0.4)))
    return stretched(stretched(audio, factor, size), 1 / factor, size)


@register_voice("pitch_formant")
def pitch_formant(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Move the pitch by two to seven semitones, half the time with the formants, half the time without."""
    semitones = rng.choice([-1, 1]) * rng.uniform(2, 7)
    # A ratio of small whole numbers keeps the polyphase resampler short.
    given = round(100 * 2 ** (semitones / 12))
    longer = stretched(audio, given / 100, _SIZES[int(rng.integers(len(_SIZES)))])
    moved = of_length(resampled(longer, given, 100), len(audio))
    return moved if rng.random() < 0.5 else _with_envelope_of(moved, audio)


def _with_envelope_of(moved: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``moved`` with the formants of ``original``: cepstral envelopes are exchanged."""
    size, hop = 512, 128
    spectrum = stft(moved, size, hop)
    wanted = _log_envelope(np.abs(stft(original, size, hop)), size)
    given = _log_envelope(np.abs(spectrum), size)
    change = np.exp(np.clip(wanted - given, -3, 3))
    return istft((spectrum * change).astype(np.complex64), size, hop, len(moved))


def _log_envelope(magnitude: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    lifter = SAMPLE_RATE_HZ // 500  # 2 ms: below the pitch period of high voices
    cepstrum = irfft(np.log(magnitude + 1e-5), size, axis=1)
    cepstrum[:, lifter : size - lifter] = 0
    return np.asarray(rfft(cepstrum, axis=1).real, dtype=np.float32)
