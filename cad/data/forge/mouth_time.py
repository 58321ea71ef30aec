# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: the mouth of another moment of the clip; the lips say something else, stop or run backwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.data.forge.blending import blend, mask_box, smooth_walk
from cad.data.forge.face_mask import draw_face, draw_face_mask
from cad.data.forge.records import Job, Need, Stream, with_frames
from cad.data.forge.registry import register
from cad.data.forge.speech import has_speech
from cad.data.records import Clip, LabeledClip

#: Least distance in time of the pasted mouth (0.16 s): nearer ones say the same.
_LEAST_SLOTS = 4


@register("mouth_time", needs=[Need.PICTURE], sets=[Stream.VIDEO, Stream.SYNC])
def mouth_time(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Paste the mouth region of other slots of the source over the window's, colours matched slot by slot."""
    clip, source = job.target.clip, job.source
    face = draw_face(clip, rng)
    if face is None or source.frames is None:
        return None
    segment, old, points = face
    here = np.arange(segment.start, segment.stop) + job.first_slot
    there = _other_slots(here, source, rng)
    if there is None:
        return None
    mask = draw_face_mask(points, rng, ("mouth", "mouth", "lower_face"))
    # Mouth corners move between the two moments; the pasted mouth does not follow them and only drifts a little.
    foreground = _colour_matched(source.frames[there], old, mask)
    new = blend(old, foreground, mask, rng.uniform(0.85, 1.0), 0.4 * smooth_walk(len(old), 2, rng))
    return with_frames(job.target, new, segment, "mouth_time", breaks_sync=has_speech(clip.audio))


def _other_slots(here: NDArray[np.int64], source: Clip, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Return which slot of the source each mouth is taken from, or None when the source is too short."""
    first, last = 0, source.slots - 1
    draw = rng.random()
    if draw < 0.6:  # another stretch of time
        steps = [step for step in range(first - int(here[0]), last - int(here[-1]) + 1) if abs(step) >= _LEAST_SLOTS]
        if not steps:
            return None
        there = here + steps[int(rng.integers(len(steps)))]
    elif draw < 0.8:  # backwards
        there = here[::-1].copy()
    else:  # still, as in a picture that is made to speak and does not
        there = np.full_like(here, int(rng.integers(here[0], here[-1] + 1)))
    if len(here) < 2 * _LEAST_SLOTS or not source.frames_present[there].all():
        return None
    return there


def _colour_matched(
    foreground: NDArray[np.uint8], background: NDArray[np.uint8], mask: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return ``foreground`` with the background's mean colour on the rim of the mask, slot by slot."""
    rim = (mask > 0.05) & (mask < 0.7)
    if not rim.any():
        return foreground
    step = background[:, rim].mean(1, dtype=np.float32) - foreground[:, rim].mean(1, dtype=np.float32)
    step = np.clip(step, -12, 12)  # more is an open mouth on the rim, not another light
    box = (slice(None), *mask_box(mask, floor=0))
    out = foreground.copy()
    out[box] = np.clip(foreground[box] + np.round(step)[:, None, None].astype(np.int16), 0, 255)
    return out
