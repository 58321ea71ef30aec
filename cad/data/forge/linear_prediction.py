# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake by an LPC vocoder: an all-pole envelope per frame, excited by pulses and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from cad.clock import SAMPLE_RATE_HZ
from cad.data.forge.resynthesis import register_voice
from cad.data.forge.spectra import istft, stft

_SIZE, _HOP = 512, 128
_PITCH_HZ = (60.0, 400.0)


@register_voice("linear_prediction")
def linear_prediction(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Resynthesise by linear prediction with a made-up excitation."""
    spectrum = stft(audio, _SIZE, _HOP)
    correlation = np.asarray(irfft(np.square(np.abs(spectrum)), axis=1), dtype=np.float32)
    order = int(rng.integers(10, 25))
    weights, error = _levinson(correlation, order)
    pitch_hz, voicing = _pitch(correlation)
    excitation = _excitation(len(audio), pitch_hz, voicing, rng)
    shape = 1 / np.asarray(rfft(weights, _SIZE, axis=1))
    gain = np.sqrt(np.maximum(error, 1e-12))[:, None] / np.sqrt(_SIZE / 2)
    shaped = stft(excitation, _SIZE, _HOP) * (shape * gain)
    return istft(shaped.astype(np.complex64), _SIZE, _HOP, len(audio))


def _levinson(correlation: NDArray[np.float32], order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return prediction filters (frames, order + 1) and error powers (frames,), all frames at once.

    Source: Durbin, 1960.
    """
    power = correlation[:, : order + 1].astype(np.float64)
    power[:, 0] = power[:, 0] * 1.0001 + 1e-9  # white noise correction: silence has a filter, too
    weights = np.zeros((len(power), order + 1))
    weights[:, 0] = 1.0
    error = power[:, 0].copy()
    for step in range(1, order + 1):
        reflected = (weights[:, :step] * power[:, step:0:-1]).sum(1) / -error
        weights[:, 1 : step + 1] += reflected[:, None] * weights[:, step - 1 :: -1][:, :step]
        error *= 1 - reflected**2
    return weights, error


def _pitch(correlation: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pitch in Hz and voicing in [0, 1] of each frame, from the autocorrelation's highest peak."""
    shortest, longest = (round(SAMPLE_RATE_HZ / hz) for hz in reversed(_PITCH_HZ))
    lags = np.arange(shortest, min(longest, _SIZE // 2))
    # A window's own autocorrelation falls with the lag; dividing by it puts low voices on a par with high ones.
    fall = 1 - lags / _SIZE
    likeness = correlation[:, lags] / (correlation[:, :1] + 1e-9) / fall
    best = likeness.argmax(1)
    voicing = np.clip((likeness[np.arange(len(best)), best] - 0.25) / 0.4, 0, 1)
    return (SAMPLE_RATE_HZ / lags[best]).astype(np.float32), voicing.astype(np.float32)


def _excitation(
    samples: int, pitch_hz: NDArray[np.float32], voicing: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    centres = np.arange(len(pitch_hz)) * _HOP
    here = np.arange(samples)
    hertz = np.interp(here, centres, pitch_hz) * rng.uniform(0.97, 1.03)
    if rng.random() < 0.3:  # the robot: one pitch for all
        hertz = np.full(samples, float(np.median(pitch_hz)))
    turns = np.cumsum(hertz) / SAMPLE_RATE_HZ
    pulses = np.diff(np.floor(turns), prepend=0) * np.sqrt(SAMPLE_RATE_HZ / hertz)
    voiced = np.interp(here, centres, voicing) * rng.uniform(0.75, 1.0)
    noise = rng.standard_normal(samples, dtype=np.float32)
    return np.asarray(voiced * pulses + np.sqrt(1 - voiced**2) * noise, dtype=np.float32)
