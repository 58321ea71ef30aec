# SPDX-License-Identifier: Apache-2.0
"""``rerendered`` serves the face forgers: a changed copy of the face is blended in through a soft mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cad.data.forge.blending import blend, mask_box, smooth_walk
from cad.data.forge.face_mask import draw_face_mask, face_points
from cad.data.forge.records import Job, with_frames
from cad.data.forge.segment import draw_segment
from cad.data.records import LabeledClip

#: From frames uint8 (slots, side, side, 3) to the same shape.
Rerendering = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def rerendered(
    job: Job,
    rng: np.random.Generator,
    name: str,
    rerendering: Rerendering,
    parts: Sequence[str] = ("face", "face", "inner_face", "lower_face", "mouth"),
) -> LabeledClip | None:
    """Return the window with its face, or a part of it, replaced by ``rerendering`` of itself.

    Args:
        job: The forgery to be made.
        rng: Source of chance.
        name: The forger's name.
        rerendering: Works on a square box around the mask; sides are a multiple of 16.
        parts: Names from FACE_PARTS to draw from.
    """
    clip = job.target.clip
    segment = draw_segment(clip.slots, rng)
    points = face_points(clip, segment)
    if clip.frames is None or points is None:
        return None
    old = clip.frames[segment]
    mask = draw_face_mask(points, rng, parts)
    box = square_box(mask)
    patch = rerendering(np.ascontiguousarray(old[(slice(None), *box)]), rng)
    drift = 0.5 * smooth_walk(len(old), 2, rng)
    frames = clip.frames.copy()
    part = frames[segment][(slice(None), *box)]
    part[:] = blend(np.ascontiguousarray(part), patch, np.ascontiguousarray(mask[box]), rng.uniform(0.8, 1.0), drift)
    return with_frames(job.target, frames, segment, name)


def square_box(mask: NDArray[np.float32], multiple: int = 16, room_px: int = 3) -> tuple[slice, slice]:
    """Return rows and columns of the smallest square around the mask whose side is a multiple of ``multiple``."""
    rows, columns = mask_box(mask)
    size = mask.shape[0]
    wanted = max(rows.stop - rows.start, columns.stop - columns.start) + 2 * room_px
    side = min(-(-wanted // multiple) * multiple, size)
    return _centred(rows, side, size), _centred(columns, side, size)


def _centred(inner: slice, side: int, size: int) -> slice:
    start = int(np.clip((inner.start + inner.stop - side) // 2, 0, size - side))
    return slice(start, start + side)
