# SPDX-License-Identifier: Apache-2.0
"""``register_face`` serves the face forgers: a changed copy of the face is blended in through a soft mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cad.data.forge.blending import blend, mask_box, smooth_walk
from cad.data.forge.face_mask import draw_face, draw_face_mask
from cad.data.forge.records import Job, Need, Stream, with_frames
from cad.data.forge.registry import register
from cad.data.records import LabeledClip

#: From frames uint8 (slots, side, side, 3) of a square box around the mask, sides a multiple of 16, to the same shape.
Rerendering = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
_SIDE_MULTIPLE, _ROOM_PX = 16, 3


def register_face(
    name: str, parts: Sequence[str] = ("face", "face", "inner_face", "lower_face", "mouth")
) -> Callable[[Rerendering], Rerendering]:
    """Return a decorator that makes a rerendering of the face, or of a part of it, the forger ``name``.

    Args:
        name: The forger's name.
        parts: Names from FACE_PARTS to draw from.
    """

    def add(rerendering: Rerendering) -> Rerendering:
        @register(name, needs=[Need.PICTURE], sets=[Stream.VIDEO])
        def rerendered(job: Job, rng: np.random.Generator) -> LabeledClip | None:
            face = draw_face(job.target.clip, rng)
            if face is None:
                return None
            segment, old, points = face
            mask = draw_face_mask(points, rng, parts)
            box = _square_box(mask)
            before = np.ascontiguousarray(old[:, *box])
            patch = rerendering(before, rng)
            drift = 0.5 * smooth_walk(len(old), 2, rng)
            new = old.copy()
            new[:, *box] = blend(before, patch, np.ascontiguousarray(mask[box]), rng.uniform(0.8, 1.0), drift)
            return with_frames(job.target, new, segment, name)

        return rerendering

    return add


def _square_box(mask: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return rows and columns of the smallest square around the mask whose side is a multiple of 16."""
    rows, columns = mask_box(mask)
    size = mask.shape[0]
    wanted = max(rows.stop - rows.start, columns.stop - columns.start) + 2 * _ROOM_PX
    side = min(-(-wanted // _SIDE_MULTIPLE) * _SIDE_MULTIPLE, size)
    return _centred(rows, side, size), _centred(columns, side, size)


def _centred(inner: slice, side: int, size: int) -> slice:
    start = int(np.clip((inner.start + inner.stop - side) // 2, 0, size - side))
    return slice(start, start + side)
