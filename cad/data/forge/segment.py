# SPDX-License-Identifier: Apache-2.0
"""Segments for forgers: which slots of a window are forged, and how clips and sound are cut and spliced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME, seconds_of
from cad.data.records import Clip

#: Share of forgeries that fill the whole window; the rest fill a random part of it.
WHOLE_SHARE = 0.7
#: Shortest forged part (0.32 s): a human editor would not change less than a syllable.
MIN_SEGMENT_SLOTS = 8


def draw_segment(slots: int, rng: np.random.Generator) -> slice:
    """Return the slots [start, stop) to forge in a window of ``slots``."""
    if slots <= MIN_SEGMENT_SLOTS or rng.random() < WHOLE_SHARE:
        return slice(0, slots)
    length = int(rng.integers(MIN_SEGMENT_SLOTS, slots))
    start = int(rng.integers(0, slots - length + 1))
    return slice(start, start + length)


def samples_of(segment: slice) -> slice:
    """Return the samples of the slots in ``segment``."""
    return slice(segment.start * SAMPLES_PER_FRAME, segment.stop * SAMPLES_PER_FRAME)


def cut(clip: Clip, first_slot: int, slots: int) -> Clip:
    """Return ``slots`` slots of ``clip`` from ``first_slot`` on; arrays are views."""
    stop = first_slot + slots
    if first_slot < 0 or stop > clip.slots:
        raise ValueError(f"slots {first_slot} to {stop} of a clip that has {clip.slots}")
    here = slice(first_slot, stop)
    return replace(
        clip,
        frames=None if clip.frames is None else clip.frames[here],
        points_px=None if clip.points_px is None else clip.points_px[here],
        frames_present=clip.frames_present[here],
        audio=None if clip.audio is None else clip.audio[samples_of(here)],
        audio_present=clip.audio_present[here],
        start_seconds=clip.start_seconds + seconds_of(first_slot),
    )


def spliced(
    audio: NDArray[np.float32], piece: NDArray[np.float32], segment: slice, fade_samples: int = 160
) -> NDArray[np.float32]:
    """Return ``audio`` with ``piece`` in the samples of ``segment``, cross-faded inside the segment.

    Args:
        audio: float32 (slots * 640,).
        piece: float32, the length of the segment in samples.
        segment: Slots.
        fade_samples: Length of the linear fades; none at the clip's own ends.
    """
    here = samples_of(segment)
    length = here.stop - here.start
    if len(piece) != length:
        raise ValueError(f"a piece of {len(piece)} samples for a segment of {length}")
    weight = np.ones(length, dtype=np.float32)
    fade = min(fade_samples, length // 2)
    ramp = (np.arange(fade, dtype=np.float32) + 1) / (fade + 1)
    if here.start > 0:
        weight[:fade] = ramp
    if here.stop < len(audio):
        weight[length - fade :] = ramp[::-1]
    out = audio.copy()
    out[here] = weight * piece + (1 - weight) * audio[here]
    return out
