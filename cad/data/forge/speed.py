# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake of synchrony: sound that runs a little faster or slower than the lips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.speech import has_speech
from cad.data.records import LabeledClip

#: Sound is in sync up to the first drift and out of sync from the second on; between them it is unknown.
SURELY_TOGETHER_SECONDS = 0.04
SURELY_APART_SECONDS = 0.08
_TAPS = 16


@register("speed", needs=[Need.PICTURE, Need.SOUND], sets=[Stream.SYNC])
def speed(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Read the sound at 0.9 to 1.1 times its speed; it fits the lips at one random instant and drifts away.

    The pitch moves with it, as it does when a file is played too fast, so the sound is neither called genuine
    nor false.
    """
    source, target = job.source, job.target
    if source.audio is None or not has_speech(target.clip.audio):
        return None
    slots = target.clip.slots
    factor = 1 + float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.1))
    length = slots * SAMPLES_PER_FRAME
    start = job.first_slot * SAMPLES_PER_FRAME
    pivot = rng.uniform(0, length)
    places = np.asarray(start + pivot + (np.arange(length) - pivot) * factor, dtype=np.float64)
    if places[0] < 0 or places[-1] > len(source.audio) - 1:
        return None
    drift = np.abs((places - start - np.arange(length)) / SAMPLE_RATE_HZ).reshape(slots, -1).mean(1)
    apart = drift >= SURELY_APART_SECONDS
    if not apart.any():
        return None
    forged = with_audio(target, _read_at(source.audio, places), slice(0, slots), "speed", breaks_sync=True)
    sync = np.where(apart, 1.0, np.where(drift <= SURELY_TOGETHER_SECONDS, 0.0, -1.0)).astype(np.float32)
    return replace(forged, sync_fake=sync, audio_fake=np.full(slots, -1, dtype=np.float32))


def _read_at(audio: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return ``audio`` at fractional ``places`` by a windowed sinc of 16 taps (linear interpolation would be dull)."""
    first = np.floor(places).astype(int) - _TAPS // 2 + 1
    share = (places - np.floor(places)).astype(np.float32)
    out = np.zeros(len(places), dtype=np.float32)
    for tap in range(_TAPS):
        away = share + np.float32(_TAPS // 2 - 1 - tap)
        window = np.cos(np.float32(np.pi / _TAPS) * away) ** 2
        out += audio[np.clip(first + tap, 0, len(audio) - 1)] * np.sinc(away).astype(np.float32) * window
    return out
