# SPDX-License-Identifier: Apache-2.0
"""``forged_twin`` forges the very crop that a batch also shows as genuine, so that only the forgery tells them apart.

The kinds are those of ``cad.data.forge`` that work on a picture, and ``face_swap``: somebody else's face, aligned by
the five points and in the colours of the crop. A kind that needs time (the mouth of another moment) gets the frames
around the crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.outside import blacken, outside_of
from cad.data.forge import forge
from cad.data.forge.blending import blend
from cad.data.forge.face_mask import draw_face_mask
from cad.data.records import STORED_CROP_SIZE_PX, Clip
from cad.data.shards import ClipStore
from cad.training.picture_faces import FaceDraw, FaceRow

#: Somebody else's face; made here, since the forge's donors have voices alone.
FACE_SWAP = "face_swap"
#: Likelihood of each kind, by its registered name.
TWIN_WEIGHTS: Mapping[str, float] = {
    "self_blend": 4.0, FACE_SWAP: 2.0, "mouth_warp": 1.0, "mouth_time": 1.0, "coarse_face": 0.7, "low_rank_face": 0.5,
    "compressed_face": 0.5, "spectral_peaks": 0.3,
}  # fmt: skip
#: The kind that works on every crop.
_ALWAYS = "self_blend"
#: Kinds that take something from other frames, and how many slots they see.
_IN_TIME = frozenset({"mouth_time", "flicker"})
_SLOTS_IN_TIME = 10
#: Bounds on how far colours are stretched to another face's.
_LEAST_STRETCH, _MOST_STRETCH = 0.5, 2.0
_TRIES = 4


def one_crop(store: ClipStore, row: FaceRow, slot: int) -> Clip:
    """Return one slot of a row as a clip, decoded and without sound."""
    clip = store.read(row.row.path, slot, slot + 1)
    assert clip.frames is not None
    return replace(clip, frames=np.asarray(clip.frames), audio=None, audio_present=np.zeros(1, bool))


def forged_twin(
    store: ClipStore,
    draw: FaceDraw,
    row: FaceRow,
    slot: int,
    rng: np.random.Generator,
    weights: Mapping[str, float] = TWIN_WEIGHTS,
) -> tuple[Clip, str]:
    """Return the crop at ``slot`` of a genuine row, forged, and the kind; a self-blend where the drawn kinds cannot.

    Args:
        store: Where the clips are.
        draw: Gives other people's faces.
        row: Genuine.
        slot: With a face.
        rng: Source of chance.
        weights: Likelihood of each kind.

    Raises:
        OptionError: A kind does not exist.
    """
    names = [name for name, weight in weights.items() if weight > 0]
    shares = np.array([weights[name] for name in names])
    for _ in range(_TRIES):
        kind = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        if kind == FACE_SWAP:
            other = draw.other_person(row, rng)
            if other is None:
                continue
            donor = one_crop(store, other, int(rng.choice(other.slots)))
            return swapped(one_crop(store, row, slot), donor, rng), kind
        forged = _forged(store, row, slot, kind, rng)
        if forged is not None:
            return forged, kind
    blended = _forged(store, row, slot, _ALWAYS, rng)
    assert blended is not None
    return blended, _ALWAYS


def swapped(target: Clip, donor: Clip, rng: np.random.Generator) -> Clip:
    """Return ``target`` with the face of ``donor`` in a random part of it; both are clips of one slot.

    The donor is brought onto the target's five points by the affine map that fits them best, and its colours to the
    target's mean and deviation inside the mask (Reinhard et al., *Color transfer between images*, 2001, in CIELAB).
    """
    old, other = np.asarray(target.frames), np.asarray(donor.frames)
    assert target.points_px is not None and donor.points_px is not None
    mask = draw_face_mask(target.points_px, rng, ("face", "face", "inner_face", "lower_face", "mouth", "eyes"))
    onto = _affine(donor.points_px[0], target.points_px[0])
    size = (STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX)
    moved = cv2.warpAffine(other[0], onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    coloured = _recoloured(np.asarray(moved, np.uint8), old[0], mask > 0.5)
    frames = blend(old, coloured[None], mask, rng.uniform(0.8, 1.0), np.zeros((1, 2), np.float32))
    if (outside := outside_of(old)) is not None:
        blacken(frames, outside)
    return replace(target, frames=frames)


def _forged(store: ClipStore, row: FaceRow, slot: int, kind: str, rng: np.random.Generator) -> Clip | None:
    first, slots = slot, 1
    if kind in _IN_TIME:
        entry = store.entry(row.row.path)
        slots = _SLOTS_IN_TIME
        first = min(max(slot - slots // 2, 0), entry.slots - slots)
        if first < 0 or not entry.frames_present[first : first + slots].all():
            return None
        source = store.read(row.row.path, max(first - slots, 0), first + 2 * slots)
        source = replace(source, audio=None, audio_present=np.zeros(source.slots, bool))
    else:
        source = one_crop(store, row, slot)
    labeled = forge(source, rng, None, {kind: 1.0}, slots, 0.0)
    if labeled is None:
        return None
    shown = np.flatnonzero((labeled.video_fake == 1) & labeled.clip.frames_present)
    if not len(shown):
        return None
    at = int(shown[np.abs(shown - slots // 2).argmin()])
    clip = labeled.clip
    assert clip.frames is not None and clip.points_px is not None
    return replace(
        clip,
        frames=np.asarray(clip.frames[at : at + 1]),
        points_px=clip.points_px[at : at + 1],
        frames_present=clip.frames_present[at : at + 1],
        audio_present=np.zeros(1, bool),
    )


def _affine(points: NDArray[np.float32], onto: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the map (2, 3) that brings ``points`` (5, 2) nearest to ``onto``, by least squares."""
    known = np.concatenate([points.astype(np.float64), np.ones((len(points), 1))], axis=1)
    solved, *_ = np.linalg.lstsq(known, onto.astype(np.float64), rcond=None)
    return np.asarray(solved.T)


def _recoloured(picture: NDArray[np.uint8], like: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if not inside.any():
        return picture
    own, wanted = (cv2.cvtColor(one, cv2.COLOR_RGB2LAB).astype(np.float32) for one in (picture, like))
    mean, deviation = own[inside].mean(0), own[inside].std(0)
    stretch = np.clip(wanted[inside].std(0) / np.maximum(deviation, 1.0), _LEAST_STRETCH, _MOST_STRETCH)
    lab = np.clip((own - mean) * stretch + wanted[inside].mean(0), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)
