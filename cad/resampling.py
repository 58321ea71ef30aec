# SPDX-License-Identifier: Apache-2.0
"""Gives training and evaluation decoded sound at another sampling rate and of another length."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray


def resampled(audio: NDArray[np.float32], from_hz: int, to_hz: int, kaiser_beta: float = 5.0) -> NDArray[np.float32]:
    """Return ``audio`` float32 (samples,) at another rate; zero-phase, so no delay. Needs scipy (extra ``train``).

    Args:
        audio: Samples at ``from_hz``.
        from_hz: Given rate.
        to_hz: Wanted rate.
        kaiser_beta: Shape of the anti-alias filter: smaller lets more alias through, as cheap converters do.
    """
    if from_hz == to_hz:
        return audio
    from scipy.signal import resample_poly

    common = gcd(from_hz, to_hz)
    window = ("kaiser", kaiser_beta)
    return np.asarray(resample_poly(audio, to_hz // common, from_hz // common, window=window), dtype=np.float32)


def of_length(audio: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Return ``audio`` cut, or filled with silence, to so many samples, float32 (samples,).

    Example:
        >>> of_length(np.ones(2, np.float32), 3).tolist()
        [1.0, 1.0, 0.0]
    """
    return np.pad(audio[:samples], (0, max(0, samples - len(audio)))).astype(np.float32)
