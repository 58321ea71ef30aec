# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake of synchrony: room noise in place of the speech under moving lips."""

from __future__ import annotations

import numpy as np

from cad.clock import SAMPLES_PER_FRAME
from cad.data.augment.sound import coloured_noise
from cad.data.forge.records import Job, Need, Stream, with_audio
from cad.data.forge.registry import register
from cad.data.forge.segment import draw_segment, samples_of, spliced
from cad.data.forge.speech import has_speech
from cad.data.records import LabeledClip
from cad.loudness import slot_levels_dbfs


@register("silence", needs=[Need.PICTURE, Need.SOUND], sets=[Stream.SYNC])
def silence(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Replace speech by room noise as loud as the clip's quietest slots.

    It is off by default: its level alone gives it away, so it teaches little beside the contrastive loss.
    """
    audio, slots = job.target.clip.audio, job.target.clip.slots
    segment = draw_segment(slots, rng)
    if audio is None or not has_speech(audio[samples_of(segment)]):
        return None
    levels_dbfs = slot_levels_dbfs(audio)
    # Without a pause in the window its quietest slot is speech; a room is at least 30 dB below the loudest.
    level_dbfs = max(min(float(np.quantile(levels_dbfs, 0.05)), float(levels_dbfs.max()) - 30), -80.0)
    noise = coloured_noise((segment.stop - segment.start) * SAMPLES_PER_FRAME, rng)
    room = noise * np.float32(10 ** (level_dbfs / 20))
    return with_audio(
        job.target, spliced(audio, room, segment), segment, "silence", breaks_sync=True, is_synthetic=False
    )
