# SPDX-License-Identifier: Apache-2.0
"""Gives the fairness measurement what a recording sounds like: level, band, pitch, rate and length.

Pitch is no statement of sex: many women speak low, many men high, and children and the old speak otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import slot_levels_dbfs

RATE_HZ = 16_000
#: Slots within this of the loud ones (their 95th percentile) are the sound that is measured; the rest is pauses.
LOUD_WITHIN_DB = 30.0
SILENT_DBFS = -80.0
#: A band ends where the mean spectrum has fallen by this from its peak, for good.
BAND_FALL_DB = 60.0
#: Length of a spectrum, and of a frame in which the pitch is sought.
SPECTRUM_SAMPLES, PITCH_SAMPLES = 1024, 1024
PITCH_HZ = (60.0, 400.0)
#: A frame is voiced if it repeats itself this well one period on (1: exactly),
VOICED = 0.6
#: and the period is the shortest that repeats nearly as well as the best: twice the period repeats, too.
NEARLY = 0.9
#: So many voiced frames of 40 ms make a pitch.
LEAST_VOICED = 8


@dataclass(frozen=True, slots=True)
class VoiceLook:
    """A sound as it is heard; None where something could not be measured.

    Attributes:
        rate_hz: As the file stores it.
        seconds: Its length.
        level_dbfs: RMS of what is loud in it.
        band_hz: Up to where the spectrum reaches, at most 8000: the product hears no more.
        pitch_hz: Median fundamental frequency of what is voiced.
    """

    rate_hz: float | None = None
    seconds: float | None = None
    level_dbfs: float | None = None
    band_hz: float | None = None
    pitch_hz: float | None = None


def look_at_sound(samples: NDArray[np.float32], rate_hz: int, seconds: float) -> VoiceLook:
    """Return how a sound is heard.

    Args:
        samples: float32 (samples,) in [-1, 1] at 16 kHz; some of it is enough.
        rate_hz: Of the file.
        seconds: Length of the whole.
    """
    levels = slot_levels_dbfs(samples)
    if not len(levels) or levels.max() <= SILENT_DBFS:
        return VoiceLook(float(rate_hz), seconds)
    loud = levels >= np.percentile(levels, 95) - LOUD_WITHIN_DB
    slots = samples[: len(levels) * SAMPLES_PER_FRAME].reshape(-1, SAMPLES_PER_FRAME)
    power = float(np.square(slots[loud], dtype=np.float64).mean())
    starts = np.flatnonzero(loud) * SAMPLES_PER_FRAME
    return VoiceLook(
        rate_hz=float(rate_hz),
        seconds=seconds,
        level_dbfs=10 * float(np.log10(power)),
        band_hz=band_limit(_frames(samples, starts, SPECTRUM_SAMPLES)),
        pitch_hz=median_pitch(_frames(samples, starts, PITCH_SAMPLES)),
    )


def band_limit(frames: NDArray[np.float64]) -> float | None:
    """Return the frequency in Hz up to which the mean spectrum stays within BAND_FALL_DB of its peak; None of nothing.

    Args:
        frames: (frames, 1024) at 16 kHz.
    """
    if not len(frames):
        return None
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]), axis=1))).mean(axis=0)
    smooth = np.convolve(power, np.ones(9) / 9, mode="same")
    within = np.flatnonzero(smooth >= smooth.max() * 10 ** (-BAND_FALL_DB / 10))
    return float(within[-1] * RATE_HZ / frames.shape[1])


def median_pitch(frames: NDArray[np.float64]) -> float | None:
    """Return the median fundamental frequency in Hz, None where too little is voiced.

    Each frame's autocorrelation is divided by that of the windows alone, so that long periods are not held low.

    Args:
        frames: (frames, 1024) at 16 kHz.

    Source: Boersma, *Accurate short-term analysis of the fundamental frequency*, IFA Proceedings 17, 1993.
    """
    if not len(frames):
        return None
    window = np.hanning(frames.shape[1])
    shortest, longest = (int(RATE_HZ / hz) for hz in reversed(PITCH_HZ))
    alike = _autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * window)
    alike /= _autocorrelation(window[None])
    found = alike[:, shortest : longest + 1]
    best = found.max(axis=1, keepdims=True)
    # The first peak that is nearly as high as the best: not its flank, which a period too short would be.
    middle = found[:, 1:-1]
    peaks = (middle >= found[:, :-2]) & (middle >= found[:, 2:]) & (middle >= NEARLY * best)
    voiced = (best[:, 0] >= VOICED) & peaks.any(axis=1)
    if int(voiced.sum()) < LEAST_VOICED:
        return None
    return float(np.median(RATE_HZ / (shortest + 1 + peaks[voiced].argmax(axis=1))))


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation of each frame for every lag, 1 at lag 0."""
    spectra = np.fft.rfft(frames, 2 * frames.shape[1], axis=1)
    lags = np.fft.irfft(np.square(np.abs(spectra)), axis=1)[:, : frames.shape[1]]
    return np.asarray(lags / np.maximum(lags[:, :1], 1e-12))


def _frames(samples: NDArray[np.float32], starts: NDArray[np.int_], length: int) -> NDArray[np.float64]:
    """Return the frames (frames, length) that begin at ``starts`` and lie within the samples."""
    inside = starts[starts + length <= len(samples)]
    return np.asarray(samples[inside[:, None] + np.arange(length)], dtype=np.float64)
