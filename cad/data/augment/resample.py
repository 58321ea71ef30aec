# SPDX-License-Identifier: Apache-2.0
"""Change of sampling rate without delay."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

#: Rates that recordings and speech engines come in, in Hz.
COMMON_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def resampled(audio: NDArray[np.float32], from_hz: int, to_hz: int, kaiser_beta: float = 5.0) -> NDArray[np.float32]:
    """Return ``audio`` float32 (samples,) at another rate; zero-phase, so no delay.

    Args:
        audio: Samples at ``from_hz``.
        from_hz: Given rate.
        to_hz: Wanted rate.
        kaiser_beta: Shape of the anti-alias filter: smaller lets more alias through, as cheap converters do.
    """
    if from_hz == to_hz:
        return audio
    common = gcd(from_hz, to_hz)
    window = ("kaiser", kaiser_beta)
    return np.asarray(resample_poly(audio, to_hz // common, from_hz // common, window=window), dtype=np.float32)


def through_other_rate(audio: NDArray[np.float32], rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return 16 kHz ``audio`` taken to a random other rate and back, with a random filter shape."""
    rate = COMMON_RATES_HZ[int(rng.integers(len(COMMON_RATES_HZ)))]
    beta = rng.uniform(1.0, 9.0)
    back = resampled(resampled(audio, rate_hz, rate, beta), rate, rate_hz, beta)
    out = np.zeros_like(audio)
    length = min(len(out), len(back))
    out[:length] = back[:length]
    return out
