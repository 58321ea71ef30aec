# SPDX-License-Identifier: Apache-2.0
"""The records of a forger: the job that it gets, what it needs, and the labels that it sets."""

from __future__ import annotations

from collections.abc import Callable
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
    make: Callable[[Job, np.random.Generator], LabeledClip | None]


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
    forged = replace(
        target,
        clip=replace(target.clip, frames=frames),
        video_fake=_marked(target.video_fake, segment),
        methods=_named(target.methods, name),
    )
    return _without_sync(forged, segment) if breaks_sync and target.clip.audio is not None else forged


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
    forged = replace(
        target,
        clip=replace(target.clip, audio=audio.astype(np.float32, copy=False)),
        audio_fake=_marked(target.audio_fake, segment) if is_synthetic else target.audio_fake,
        methods=_named(target.methods, name),
    )
    return _without_sync(forged, segment) if breaks_sync and target.clip.frames is not None else forged


def _without_sync(target: LabeledClip, segment: slice) -> LabeledClip:
    return replace(target, sync_fake=_marked(target.sync_fake, segment), offset_seconds=None)


def _marked(track: NDArray[np.float32], segment: slice) -> NDArray[np.float32]:
    marked = track.copy()
    marked[segment] = 1.0
    return marked


def _named(methods: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*(method for method in methods if method != "real"), name)
