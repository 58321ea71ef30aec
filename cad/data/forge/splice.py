# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes of the voice: a part of the speech is replaced by another recording or by synthetic speech."""

from __future__ import annotations

import numpy as np

from cad.clock import SAMPLES_PER_FRAME
from cad.data.forge.other_voice import drawn_piece
from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.segment import MIN_SEGMENT_SLOTS, draw_segment, spliced
from cad.data.forge.speech import has_speech, matched_level
from cad.data.records import LabeledClip


@register("splice", needs=[Need.SOUND, Need.DONOR], sets=[Stream.AUDIO, Stream.SYNC])
def splice(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Put a piece of another recording, of the same speaker if there is one, into a part of the window."""
    audio, slots = job.target.clip.audio, job.target.clip.slots
    if audio is None or slots < 2 * MIN_SEGMENT_SLOTS or not has_speech(audio):
        return None
    length = int(rng.integers(MIN_SEGMENT_SLOTS, max(slots * 2 // 3, MIN_SEGMENT_SLOTS + 1)))
    start = int(rng.integers(0, slots - length + 1))
    segment = slice(start, start + length)
    donor = job.donors.same_speaker(job.source, rng) if rng.random() < 0.6 else None
    donor = donor or job.donors.other_speaker(job.source, rng)
    piece = drawn_piece(donor, length * SAMPLES_PER_FRAME, rng)
    if piece is None:
        return None
    fade = int(rng.integers(32, 480))
    forged = spliced(audio, matched_level(piece, audio), segment, fade)
    return with_audio(job.target, forged, segment, "splice", breaks_sync=True)


@register("synthetic_speech", needs=[Need.SOUND, Need.DONOR], sets=[Stream.AUDIO, Stream.SYNC])
def synthetic_speech(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Put machine-made speech into the window, or into as much of it as the donor fills."""
    audio, slots = job.target.clip.audio, job.target.clip.slots
    donor = job.donors.synthetic(job.source, rng)
    if audio is None or donor is None or donor.slots < MIN_SEGMENT_SLOTS:
        return None
    segment = draw_segment(slots, rng)
    length = min(segment.stop - segment.start, donor.slots)
    start = segment.start + int(rng.integers(0, segment.stop - segment.start - length + 1))
    segment = slice(start, start + length)
    piece = drawn_piece(donor, length * SAMPLES_PER_FRAME, rng)
    if piece is None:
        return None
    forged = spliced(audio, matched_level(piece, audio), segment)
    return with_audio(job.target, forged, segment, "synthetic_speech", breaks_sync=True)
