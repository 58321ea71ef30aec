# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a mouth re-enacted by a smooth local warp, which opens and closes independently of the speech."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.forge.blending import smooth_walk
from cad.data.forge.face_mask import draw_face
from cad.data.forge.records import Job, Need, Stream, with_frames
from cad.data.forge.registry import register
from cad.data.forge.speech import has_speech
from cad.data.records import LabeledClip


@register("mouth_warp", needs=[Need.PICTURE], sets=[Stream.VIDEO, Stream.SYNC])
def mouth_warp(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Warp the mouth region to a smooth random movement of opening, width and place."""
    clip = job.target.clip
    face = draw_face(clip, rng)
    if face is None:
        return None
    segment, old, seen = face
    points = np.median(seen, axis=0)
    eye_distance = float(np.hypot(*(points[1] - points[0])))
    drive = np.clip(smooth_walk(len(old), 4, rng, smoothing=rng.uniform(1.2, 3.0)), -1.8, 1.8)
    # Speech changes the opening most; without a least opening, some forgeries would show nothing.
    drive *= eye_distance * np.array([rng.uniform(0.06, 0.11), 0.04, 0.03, 0.03], dtype=np.float32)
    new = old.copy()
    warp_mouth_in_place(new, points, eye_distance, drive, int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])))
    return with_frames(job.target, new, segment, "mouth_warp", breaks_sync=has_speech(clip.audio))


def warp_mouth_in_place(
    frames: NDArray[np.uint8],
    points: NDArray[np.float32],
    eye_distance: float,
    drive: NDArray[np.float32],
    interpolation: int,
) -> None:
    """Move the mouth of ``frames`` uint8 (slots, side, side, 3) in place.

    Args:
        frames: Crops.
        points: float32 (5, 2) in the crops.
        eye_distance: In pixels.
        drive: float32 (slots, 4) in pixels: opening, narrowing, sideways, up and down.
        interpolation: An OpenCV flag.
    """
    size = frames.shape[1]
    mouth = (points[3] + points[4]) / 2
    reach = 1.1 * eye_distance
    left, top = (int(max(value - reach, 0)) for value in mouth)
    right, bottom = (int(min(value + reach + 1, size)) for value in mouth)
    grid_y, grid_x = np.mgrid[top:bottom, left:right].astype(np.float32)
    fields = _warp_fields((grid_x - mouth[0]) / eye_distance, (grid_y - mouth[1]) / eye_distance)
    for slot, frame in enumerate(frames):
        move = np.tensordot(drive[slot], fields, axes=1)
        frames[slot, top:bottom, left:right] = cv2.remap(
            frame, grid_x + move[0], grid_y + move[1], interpolation, borderMode=cv2.BORDER_REFLECT
        )


def _ramp(place: NDArray[np.float32]) -> NDArray[np.float32]:
    share = np.clip(place, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def _warp_fields(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 (4, 2, height, width): opening, width, sideways, up and down; all fade out at the border."""
    near = np.exp(-((x / 0.42) ** 2) - (y / 0.38) ** 2)
    border = np.clip(1.0 - (np.maximum(np.abs(x), np.abs(y)) / 1.05) ** 4, 0, 1)
    # The lower lip and the chin go down, the upper lip goes up a third as far; between them the mouth is stretched.
    # Ramps are wide enough for the largest drive: a steeper one would fold the picture over itself.
    jaw = _ramp((y + 0.04) / 0.42) * np.exp(-((x / 0.5) ** 2) - (np.maximum(y - 0.3, 0) / 0.35) ** 2)
    lip = _ramp((0.02 - y) / 0.3) * np.exp(-((x / 0.4) ** 2) - (np.maximum(-0.22 - y, 0) / 0.15) ** 2)
    opening = 0.35 * lip - jaw
    zero = np.zeros_like(x)
    stack: list[tuple[Any, Any]] = [(zero, opening), (-x / 0.4 * near, zero), (near, zero), (zero, near)]
    return np.stack([np.stack(pair) for pair in stack]).astype(np.float32) * border.astype(np.float32)
