# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake by the WORLD vocoder, if the optional package ``pyworld`` is there (its import needs setuptools < 81)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.data.forge.records import Job, Need, Stream
from cad.data.forge.registry import register
from cad.data.forge.resynthesis import resynthesised
from cad.data.forge.spectra import smooth_along_time
from cad.data.records import LabeledClip


@register("world", needs=[Need.SOUND], sets=[Stream.AUDIO])
def world(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Take the speech apart into pitch, envelope and aperiodicity, and put it together again; None without pyworld.

    Source: Morise, Yokomori and Ozawa, 2016.
    """
    try:
        import pyworld
    except ImportError:
        return None

    def resynthesis(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        sound = audio.astype(np.float64)
        pitch, times = pyworld.dio(sound, SAMPLE_RATE_HZ)
        pitch = pyworld.stonemask(sound, pitch, times, SAMPLE_RATE_HZ)
        envelope = pyworld.cheaptrick(sound, pitch, times, SAMPLE_RATE_HZ)
        aperiodicity = pyworld.d4c(sound, pitch, times, SAMPLE_RATE_HZ)
        if rng.random() < 0.5:  # as a statistical model would give it: smooth in time
            logs = np.log(envelope + 1e-12).astype(np.float32)
            envelope = np.exp(smooth_along_time(logs, rng.uniform(0.5, 2.0)).astype(np.float64))
        pitch = pitch * rng.uniform(0.94, 1.06)
        made: NDArray[np.float64] = pyworld.synthesize(pitch, envelope, aperiodicity, SAMPLE_RATE_HZ)
        return np.clip(made, -1, 1).astype(np.float32)

    return resynthesised(job, rng, "world", resynthesis)
