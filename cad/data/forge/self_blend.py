# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: the self-blended face, recoloured, resharpened, moved a little and blended over itself.

Source: "Detecting Deepfakes with Self-Blended Images", CVPR 2022, arXiv 2204.08376 (method; written anew, for
clips: one draw for each clip, with slight drift over time).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.colour import colour_matrix, recoloured, tone_table
from cad.data.augment.picture import each_frame, sharpened
from cad.data.forge.blending import blend, smooth_walk
from cad.data.forge.face_mask import draw_face, draw_face_mask
from cad.data.forge.records import Job, Need, Stream, with_frames
from cad.data.forge.registry import register
from cad.data.records import LabeledClip

_RATIOS = (0.3, 0.5, 0.75, 1.0, 1.0, 1.0)


@register("self_blend", needs=[Need.PICTURE], sets=[Stream.VIDEO])
def self_blend(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Blend the face over itself; the changed copy is the face or, half the time, what surrounds it."""
    face = draw_face(job.target.clip, rng)
    if face is None:
        return None
    segment, old, points = face
    mask = draw_face_mask(points, rng, ("face", "face", "inner_face", "lower_face", "mouth", "eyes"))
    changed = _perturbed(old, rng)
    foreground, background = (changed, old) if rng.random() < 0.5 else (old, changed)
    foreground = _moved(foreground, rng)
    drift = 0.7 * smooth_walk(len(old), 2, rng)
    ratio = _RATIOS[int(rng.integers(len(_RATIOS)))]
    return with_frames(job.target, blend(background, foreground, mask, ratio, drift), segment, "self_blend")


def _perturbed(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    changed = frames
    if rng.random() < 0.85:
        table = tone_table(
            rng.uniform(-12, 12), rng.uniform(0.88, 1.12), rng.uniform(0.9, 1.1), rng.uniform(-12, 12, 3)
        )
        matrix = colour_matrix(rng.uniform(-0.03, 0.03), rng.uniform(0.75, 1.25)) if rng.random() < 0.5 else None
        changed = recoloured(changed, table, matrix)
    draw = rng.random()
    if draw < 0.4:
        return _coarser(changed, rng.uniform(0.35, 0.85))
    if draw < 0.75:
        return sharpened(changed, rng.uniform(0.2, 0.9))
    return changed if changed is not frames else _coarser(changed, rng.uniform(0.35, 0.7))


def _coarser(frames: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    size = frames.shape[2]
    small = max(round(size * scale), 8)

    def coarse(frame: NDArray[np.uint8]) -> Any:
        down = cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(down, (size, size), interpolation=cv2.INTER_LINEAR)

    return each_frame(frames, coarse)


def _moved(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    size = frames.shape[2]
    scale = rng.uniform(0.96, 1.04)
    centre = (size / 2, size / 2)
    step = rng.uniform(-0.02, 0.02, 2) * size
    drift = 0.25 * smooth_walk(len(frames), 2, rng)
    move = cv2.getRotationMatrix2D(centre, rng.uniform(-2, 2), scale)
    out = np.empty_like(frames)
    for slot, frame in enumerate(frames):
        here = move.copy()
        here[:, 2] += step + drift[slot]
        out[slot] = cv2.warpAffine(frame, here, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return out
