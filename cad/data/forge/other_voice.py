# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes of synchrony: another genuine recording under the lips, of the same speaker or of somebody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.segment import draw_segment, spliced
from cad.data.forge.speech import has_speech, matched_level
from cad.data.records import Clip, LabeledClip


@register("other_utterance", needs=[Need.PICTURE, Need.SOUND, Need.DONOR], sets=[Stream.SYNC])
def other_utterance(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Put another utterance of the same speaker under the lips."""
    return _exchanged(job, job.donors.same_speaker(job.source, rng), rng, "other_utterance")


@register("other_speaker", needs=[Need.PICTURE, Need.SOUND, Need.DONOR], sets=[Stream.SYNC])
def other_speaker(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Put somebody else's speech under the lips."""
    return _exchanged(job, job.donors.other_speaker(job.source, rng), rng, "other_speaker")


def drawn_piece(donor: Clip | None, samples: int, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """Return a random stretch of the donor's sound with speech in it, or None when it has none that long."""
    if donor is None or donor.audio is None or len(donor.audio) < samples:
        return None
    for _ in range(4):
        start = int(rng.integers(0, len(donor.audio) - samples + 1))
        piece = donor.audio[start : start + samples]
        if has_speech(piece):
            return piece
    return None


def _exchanged(job: Job, donor: Clip | None, rng: np.random.Generator, name: str) -> LabeledClip | None:
    clip = job.target.clip
    if clip.audio is None or not has_speech(clip.audio):
        return None
    segment = draw_segment(clip.slots, rng)
    is_whole = segment == slice(0, clip.slots)
    piece = drawn_piece(donor, (segment.stop - segment.start) * SAMPLES_PER_FRAME, rng)
    if piece is None:
        return None
    audio = spliced(clip.audio, matched_level(piece, clip.audio), segment)
    forged = with_audio(job.target, audio, segment, name, breaks_sync=True, is_synthetic=False)
    if is_whole:
        return forged
    # Genuine speech, but with seams: neither label of the sound would be right (``splice`` makes edited sound).
    unknown = forged.audio_fake.copy()
    unknown[segment] = -1
    return replace(forged, audio_fake=unknown)
