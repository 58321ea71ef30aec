# SPDX-License-Identifier: Apache-2.0
"""Augmentations of the sound: the effects of rooms, microphones and sites. They know no label and delay nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from cad.clock import SAMPLE_RATE_HZ
from cad.loudness import rms
from cad.resampling import of_length, resampled

_Response = Callable[[NDArray[np.float64]], NDArray[np.float64]]
#: Rates that recordings and speech engines come in, in Hz.
_COMMON_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_KNEES_HZ = np.array([0, 60, 150, 300, 600, 1200, 2400, 3600, 5000, 6500, 8000], dtype=np.float64)


def equalised(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` through a smooth random frequency response of +-8 dB, zero-phase."""
    gains_db = rng.uniform(-8, 8, len(_KNEES_HZ))
    return _filtered(audio, lambda hz: 10 ** (np.interp(hz, _KNEES_HZ, gains_db) / 20))


def band_limited(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` with low or high end rolled off, or both, zero-phase."""
    draw = rng.random()
    low_hz = rng.uniform(40, 400) if draw < 0.5 else 0.0
    high_hz = float(np.exp(rng.uniform(np.log(2500), np.log(7800)))) if draw > 0.3 else np.inf
    order = rng.uniform(4, 24)

    def response(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        gain = 1 / np.sqrt(1 + (hz / high_hz) ** (2 * order))
        return gain if low_hz == 0 else gain / np.sqrt(1 + (low_hz / np.maximum(hz, 1e-3)) ** (2 * min(order, 8)))

    return _filtered(audio, response)


def coloured_noise(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return unit noise float32 (samples,) whose power falls with 1/f^k, k from 0 (white) over 1 (pink) to 2."""
    size = next_fast_len(samples)
    spectrum = rfft(rng.standard_normal(size, dtype=np.float32))
    steepness = rng.uniform(0, 2)
    spectrum *= np.maximum(np.arange(len(spectrum)), 8).astype(np.float32) ** np.float32(-steepness / 2)
    noise = np.asarray(irfft(spectrum, size)[:samples], dtype=np.float32)
    return noise / np.float32(noise.std() + 1e-12)


def noisy(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` with coloured noise added at 3 to 40 dB below the level of the sound."""
    noise = coloured_noise(len(audio), rng)
    snr_db = rng.uniform(3, 40)
    signal, own = rms(audio), rms(noise)
    if signal <= 0 or own <= 0:
        return audio
    return audio + noise * np.float32(signal / own * 10 ** (-snr_db / 20))


def reverberant(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` in a synthetic room: direct sound at once, then exponentially fading noise.

    Source of the model: Polack's statistical late reverberation (exponentially damped Gaussian noise).
    """
    decay_seconds = rng.uniform(0.1, 0.7)
    length = int(decay_seconds * SAMPLE_RATE_HZ)
    time = np.arange(length, dtype=np.float32)
    tail = rng.standard_normal(length, dtype=np.float32) * np.exp(np.float32(-6.9 / length) * time)
    tail[: int(rng.uniform(0.001, 0.012) * SAMPLE_RATE_HZ)] = 0  # nothing arrives before the first wall
    tail *= np.float32(10 ** (rng.uniform(-16, -2) / 20) / (np.sqrt(np.sum(np.square(tail))) + 1e-12))
    tail[0] = 1.0
    size = next_fast_len(len(audio) + length)
    wet = irfft(rfft(audio, size) * rfft(tail, size), size)[: len(audio)]
    return np.asarray(wet, dtype=np.float32)


def clipped(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` with its largest peaks cut off, hard or softly."""
    peak = float(np.abs(audio).max(initial=0))
    if peak <= 0:
        return audio
    limit = np.float32(peak * rng.uniform(0.25, 0.8))
    if rng.random() < 0.5:
        return np.asarray(np.clip(audio, -limit, limit), dtype=np.float32)
    return np.asarray(limit * np.tanh(audio / limit), dtype=np.float32)


def through_other_rate(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``audio`` taken to a random other rate and back, with a random filter shape."""
    rate = int(rng.choice(_COMMON_RATES_HZ))
    beta = rng.uniform(1.0, 9.0)
    there = resampled(audio, SAMPLE_RATE_HZ, rate, beta)
    return of_length(resampled(there, rate, SAMPLE_RATE_HZ, beta), len(audio))


def at_level(audio: NDArray[np.float32], level_dbfs: float) -> NDArray[np.float32]:
    """Return ``audio`` with a root mean square of ``level_dbfs``, limited to [-1, 1]; silence stays silence."""
    level = rms(audio)
    if level < 1e-6:
        return audio
    return np.asarray(np.clip(audio * np.float32(10 ** (level_dbfs / 20) / level), -1, 1), dtype=np.float32)


def _filtered(audio: NDArray[np.float32], response: _Response) -> NDArray[np.float32]:
    # Half a second of zeros behind the end: circular convolution must not bring the end to the start.
    size = next_fast_len(len(audio) + SAMPLE_RATE_HZ // 2)
    spectrum = rfft(audio, size)
    hz = np.arange(len(spectrum)) * (SAMPLE_RATE_HZ / size)
    spectrum *= response(hz).astype(np.float32)
    return np.asarray(irfft(spectrum, size)[: len(audio)], dtype=np.float32)
