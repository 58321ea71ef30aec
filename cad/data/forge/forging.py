# SPDX-License-Identifier: Apache-2.0
"""``forge`` makes labelled pseudo-fakes of genuine clips; ``genuine`` cuts windows of them in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cad.data.augment.outside import blacken, outside_of
from cad.data.forge.donors import DonorPool, Donors
from cad.data.forge.records import Forger, Job, Need
from cad.data.forge.registry import get_forger
from cad.data.forge.segment import cut
from cad.data.records import Clip, LabeledClip

#: How likely each kind is when it is possible; kinds not named are off unless a caller names them.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    # face
    "self_blend": 3.0,
    "mouth_warp": 1.0,
    "mouth_time": 1.0,
    "coarse_face": 0.7,
    "low_rank_face": 0.5,
    "compressed_face": 0.3,
    "flicker": 0.5,
    "spectral_peaks": 0.3,
    # synchrony
    "shift": 3.0,
    "speed": 0.3,
    "other_utterance": 0.7,
    "other_speaker": 0.7,
    # voice; the other kinds add nothing on sources left out of training, or harm (docs/forgeries.md)
    "synthetic_speech": 1.5,
    "linear_prediction": 0.4,
}
#: Share of forgeries to which a second one of another stream is added (both face and voice false).
SECOND_FORGERY_SHARE = 0.2
_TRIES = 6


def genuine(clip: Clip, rng: np.random.Generator, slots: int | None = None) -> LabeledClip:
    """Return a random window of a genuine clip, drawn as ``forge`` draws it, labelled genuine.

    Args:
        clip: A genuine clip.
        rng: Source of chance.
        slots: Length of the window; None for the whole clip.

    Raises:
        ValueError: The clip is shorter than ``slots``.
    """
    return _genuine_at(clip, _draw_start(clip, rng, slots), slots or clip.slots)


def forge(
    clip: Clip,
    rng: np.random.Generator,
    donors: Donors | None = None,
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    slots: int | None = None,
    second_share: float = SECOND_FORGERY_SHARE,
) -> LabeledClip | None:
    """Return a forged window of a genuine clip with exact labels for each slot.

    The same clip, donors, arguments and state of ``rng`` give the same forgery, bit for bit. The result lies
    in the same pixels as the stored crop; ``cad.data.augment`` brings it to the model's crop.

    Args:
        clip: A genuine clip, as long as there is: forgers that need another moment take it from there.
        rng: Source of chance.
        donors: Other voices; None for none.
        weights: Likelihood of each kind by registered name; a kind that this clip does not allow is passed over.
        slots: Length of the window; None for the whole clip (which leaves no room for shifts).
        second_share: How often a second kind, of another stream, is added.

    Returns:
        The forgery, or None when none of the kinds is possible on this clip.

    Raises:
        OptionError: A kind in ``weights`` does not exist.
        ValueError: The clip is shorter than ``slots``.
    """
    pool = donors if donors is not None else DonorPool()
    forgers = {name: get_forger(name) for name, weight in weights.items() if weight > 0}
    start = _draw_start(clip, rng, slots)
    target = _genuine_at(clip, start, slots or clip.slots)
    wants_second = rng.random() < second_share
    possible = {name: weights[name] for name, forger in forgers.items() if _is_possible(forger, target.clip, donors)}
    forged, made = _first_that_works(Job(clip, start, target, pool), forgers, possible, rng)
    if forged is None or made is None:
        return None
    if not wants_second:
        return _with_old_outside(forged, target)
    other_streams = {name: weight for name, weight in possible.items() if not forgers[name].sets & made.sets}
    twice, _ = _first_that_works(Job(clip, start, forged, pool), forgers, other_streams, rng)
    return _with_old_outside(twice or forged, target)


def _first_that_works(
    job: Job, forgers: Mapping[str, Forger], weights: Mapping[str, float], rng: np.random.Generator
) -> tuple[LabeledClip | None, Forger | None]:
    left = dict(weights)
    for _ in range(_TRIES):
        if not left:
            break
        share = np.array(list(left.values()))
        name = list(left)[int(rng.choice(len(share), p=share / share.sum()))]
        del left[name]
        forged = forgers[name].make(job, rng)
        if forged is not None:
            return forged, forgers[name]
    return None, None


def _with_old_outside(forged: LabeledClip, genuine: LabeledClip) -> LabeledClip:
    """Keep the picture black where its source ended: warps and colours change it, which would give forgeries away."""
    old, new = genuine.clip.frames, forged.clip.frames
    if old is None or new is None or new is old or (outside := outside_of(old)) is None:
        return forged
    frames = new.copy()
    blacken(frames, outside)
    return replace(forged, clip=replace(forged.clip, frames=frames))


def _is_possible(forger: Forger, clip: Clip, donors: Donors | None) -> bool:
    if Need.PICTURE in forger.needs and (clip.frames is None or not clip.frames_present.any()):
        return False
    if Need.SOUND in forger.needs and (clip.audio is None or not clip.audio_present.any()):
        return False
    return not (Need.DONOR in forger.needs and donors is None)


def _draw_start(clip: Clip, rng: np.random.Generator, slots: int | None) -> int:
    if slots is not None and not 0 < slots <= clip.slots:
        raise ValueError(f"a window of {slots} slots from a clip of {clip.slots}: {clip.key}")
    return int(rng.integers(0, clip.slots - (slots or clip.slots) + 1))


def _genuine_at(clip: Clip, start: int, slots: int) -> LabeledClip:
    window = cut(clip, start, slots)
    zeros = np.zeros(slots, dtype=np.float32)
    unknown = np.full(slots, -1, dtype=np.float32)
    both = window.frames is not None and window.audio is not None
    return LabeledClip(
        clip=window,
        video_fake=zeros if window.frames is not None else unknown,
        audio_fake=zeros if window.audio is not None else unknown,
        sync_fake=zeros if both else unknown,
        methods=("real",),
        offset_seconds=0.0 if both else None,
    )
