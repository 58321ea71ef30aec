# SPDX-License-Identifier: Apache-2.0
"""The records of a forger: the job that it gets, what it needs, and the labels that it sets."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.forge.donors import Donors
from cad.data.records import Clip, LabeledClip


class Need(StrEnum):
    """What a forger cannot work without."""

    PICTURE = "picture"
    SOUND = "sound"
    DONOR = "donor"


class Stream(StrEnum):
    """A label track of LabeledClip."""

    VIDEO = "video"
    AUDIO = "audio"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Job:
    """One forgery to be made.

    Attributes:
        source: The genuine clip in full; forgers that need another time take it from here.
        first_slot: Where the window starts in ``source``.
        target: The window as it stands: genuine, or with an earlier forgery of another stream in it.
        donors: Where other voices come from.
    """

    source: Clip
    first_slot: int
    target: LabeledClip
    donors: Donors


Maker = Callable[[Job, np.random.Generator], LabeledClip | None]


@dataclass(frozen=True, slots=True)
class Forger:
    """One kind of forgery under its registered name.

    Attributes:
        name: Name in the registry and in ``LabeledClip.methods``.
        needs: What the clip must offer.
        sets: Label tracks in which it writes ones.
        make: Does the work; returns None when this clip does not allow it (too short, no speech, no donor).
    """

    name: str
    needs: frozenset[Need]
    sets: frozenset[Stream]
    make: Maker


def with_frames(
    target: LabeledClip, forged_frames: NDArray[np.uint8], segment: slice, name: str, breaks_sync: bool = False
) -> LabeledClip:
    """Return ``target`` with ``forged_frames`` (slots of the segment, 192, 192, 3) in ``segment``, labelled fake there.

    Args:
        target: The clip before the forgery.
        forged_frames: The pictures of ``segment`` alone.
        segment: Forged slots.
        name: The forger's name.
        breaks_sync: The lips no longer belong to the sound in ``segment``.
    """
    assert target.clip.frames is not None
    frames = target.clip.frames.copy()
    frames[segment] = forged_frames
    clip = replace(target.clip, frames=frames)
    return _forged(target, clip, segment, name, {Stream.VIDEO}, breaks_sync and clip.audio is not None)


def with_audio(
    target: LabeledClip,
    audio: NDArray[np.float32],
    segment: slice,
    name: str,
    breaks_sync: bool = False,
    is_synthetic: bool = True,
) -> LabeledClip:
    """Return ``target`` with the sound ``audio`` (slots * 640,), labelled in ``segment``.

    Args:
        target: The clip before the forgery.
        audio: The whole sound track; outside ``segment`` it must be the old one.
        segment: Forged slots.
        name: The forger's name.
        breaks_sync: The sound no longer belongs to the lips in ``segment``.
        is_synthetic: False where a genuine recording was put in: only the synchrony is then false.
    """
    if audio.shape != (target.clip.slots * SAMPLES_PER_FRAME,):
        raise ValueError(f"{name}: {audio.shape} samples for {target.clip.slots} slots")
    clip = replace(target.clip, audio=audio.astype(np.float32, copy=False))
    sets = {Stream.AUDIO} if is_synthetic else set()
    return _forged(target, clip, segment, name, sets, breaks_sync and clip.frames is not None)


def _forged(
    target: LabeledClip, clip: Clip, segment: slice, name: str, sets: Set[Stream], breaks_sync: bool
) -> LabeledClip:
    methods = (*(method for method in target.methods if method != "real"), name)
    forged = replace(target, clip=clip, methods=methods, offset_seconds=None if breaks_sync else target.offset_seconds)
    for stream in sets | {Stream.SYNC} if breaks_sync else sets:
        track = getattr(target, f"{stream}_fake").copy()
        track[segment] = 1.0
        forged = replace(forged, **{f"{stream}_fake": track})
    return forged
