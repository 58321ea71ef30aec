# SPDX-License-Identifier: Apache-2.0
"""``resynthesised`` serves the voice forgers: the same words at the same time with another sound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.segment import draw_segment, samples_of, spliced
from cad.data.forge.speech import has_speech, matched_level
from cad.data.records import LabeledClip
from cad.resampling import of_length

Resynthesis = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


def register_voice(name: str) -> Callable[[Resynthesis], Resynthesis]:
    """Return a decorator that makes a resynthesis the forger ``name`` of the voice; see ``resynthesised``."""

    def add(resynthesis: Resynthesis) -> Resynthesis:
        make = register(name, needs=[Need.SOUND], sets=[Stream.AUDIO])
        make(lambda job, rng: resynthesised(job, rng, name, resynthesis))
        return resynthesis

    return add


def resynthesised(job: Job, rng: np.random.Generator, name: str, resynthesis: Resynthesis) -> LabeledClip | None:
    """Return the window with its sound, or a part of it, taken through ``resynthesis``.

    Synchrony stays as it was: a resynthesis keeps the time of every sample.

    Args:
        job: The forgery to be made.
        rng: Source of chance.
        name: The forger's name.
        resynthesis: float32 (samples,) at 16 kHz to as many, give or take a few at the end.
    """
    audio = job.target.clip.audio
    if audio is None or not has_speech(audio):
        return None
    segment = draw_segment(job.target.clip.slots, rng)
    old = audio[samples_of(segment)]
    if not has_speech(old):
        return None
    # The whole window is resynthesised, then the part is cut: no edge of a filter falls at the splice.
    piece = of_length(resynthesis(audio, rng), len(audio))[samples_of(segment)]
    return with_audio(job.target, spliced(audio, matched_level(piece, old), segment), segment, name)
