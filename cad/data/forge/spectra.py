# SPDX-License-Identifier: Apache-2.0
"""Short-time spectra for the voice forgers: there and back, in float32 and without delay."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from cad.clock import SAMPLE_RATE_HZ
from cad.resampling import of_length

Spectrum = NDArray[np.complex64]


def stft(audio: NDArray[np.float32], size: int, hop: int) -> Spectrum:
    """Return complex64 (frames, size / 2 + 1); frame i is centred on sample i * hop.

    Args:
        audio: float32 (samples,).
        size: Length of the Hann window, a multiple of ``hop``.
        hop: Samples between frames.
    """
    padded = np.pad(audio, (size // 2, size), mode="constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(audio) + hop : hop]
    return np.asarray(rfft(frames * _hann(size), axis=1), dtype=np.complex64)


def istft(spectrum: Spectrum, size: int, hop: int, samples: int) -> NDArray[np.float32]:
    """Return the sound float32 (samples,) whose short-time spectrum is nearest to ``spectrum``.

    Source: Griffin and Lim, 1984, equation 6 (least squares overlap-add).
    """
    frames = np.asarray(irfft(spectrum, size, axis=1), dtype=np.float32) * _hann(size)
    count, per = len(frames), size // hop
    total = np.zeros((count + per, hop), dtype=np.float32)
    for part in range(per):
        total[part : part + count] += frames[:, part * hop : (part + 1) * hop]
    return of_length(total.reshape(-1)[size // 2 :] / _overlap(size, hop, count), samples)


@lru_cache(maxsize=32)
def mel_filters(size: int, mels: int, low_hz: float, high_hz: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return triangular mel filters float32 (mels, size / 2 + 1) and their pseudo-inverse, transposed alike.

    Source: O'Shaughnessy's mel scale, 2595 log10(1 + f / 700) (the formula of the HTK book).
    """
    edges_mel = np.linspace(_mel(low_hz), _mel(high_hz), mels + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    hz = np.arange(size // 2 + 1) * (SAMPLE_RATE_HZ / size)
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    # Narrow filters may fall between two bins; such a band takes the nearest one.
    empty = np.flatnonzero(filters.sum(1) == 0)
    filters[empty, np.abs(hz[None] - edges[1:-1][empty, None]).argmin(1)] = 1
    return filters.astype(np.float32), np.linalg.pinv(filters).T.astype(np.float32)


def through_mel(
    magnitude: NDArray[np.float32], size: int, mels: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Return ``magnitude`` (frames, bins) as it comes back from a mel spectrogram: smooth along frequency."""
    filters, back = mel_filters(size, mels, low_hz, high_hz)
    return np.maximum((magnitude @ filters.T) @ back, np.float32(1e-7))


def smooth_along_time(values: NDArray[np.float32], sigma_frames: float) -> NDArray[np.float32]:
    """Return ``values`` (frames, bands) smoothed by a Gaussian along the first axis."""
    reach = max(1, round(3 * sigma_frames))
    smooth = gaussian_filter1d(values, sigma_frames, axis=0, mode="nearest", radius=reach)
    return np.asarray(smooth, dtype=np.float32)


@lru_cache(maxsize=8)
def _hann(size: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


@lru_cache(maxsize=32)
def _overlap(size: int, hop: int, count: int) -> NDArray[np.float32]:
    total = np.zeros((count + size // hop) * hop, dtype=np.float32)
    for frame in range(count):
        total[frame * hop : frame * hop + size] += _hann(size) ** 2
    return np.maximum(total[size // 2 :], np.float32(1e-3))


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))
