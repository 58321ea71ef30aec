# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake of synchrony: sound of another moment of the clip, cut there (rolled sound has an audible seam)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.speech import has_speech
from cad.data.records import LabeledClip

#: Below 0.08 s genuine files are off, too; above 2 s nothing is left to compare.
SMALLEST_SHIFT_SECONDS = 0.08
LARGEST_SHIFT_SECONDS = 2.0


@register("shift", needs=[Need.PICTURE, Need.SOUND], sets=[Stream.SYNC])
def shift(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Take the sound from 0.08 to 2 s earlier or later in the source; the offset is exact to a sample.

    Short and long shifts are equally likely on a logarithmic scale, within what the source has room for.
    """
    source, target = job.source, job.target
    if source.audio is None or not has_speech(target.clip.audio):
        return None
    start = job.first_slot * SAMPLES_PER_FRAME
    length = target.clip.slots * SAMPLES_PER_FRAME
    # The sound that lags by d was made d earlier: room before the window allows positive offsets.
    room = {+1: start, -1: len(source.audio) - start - length}
    least = round(SMALLEST_SHIFT_SECONDS * SAMPLE_RATE_HZ)
    signs = [sign for sign in (+1, -1) if room[sign] >= least]
    if not signs:
        return None
    sign = signs[int(rng.integers(len(signs)))]
    most = min(room[sign], round(LARGEST_SHIFT_SECONDS * SAMPLE_RATE_HZ))
    lag = sign * round(np.exp(rng.uniform(np.log(least), np.log(most))))
    audio = source.audio[start - lag : start - lag + length].copy()
    if not has_speech(audio):
        return None
    forged = with_audio(target, audio, slice(0, target.clip.slots), "shift", breaks_sync=True, is_synthetic=False)
    return replace(forged, offset_seconds=lag / SAMPLE_RATE_HZ)
