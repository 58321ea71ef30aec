# SPDX-License-Identifier: Apache-2.0
"""The black outside of the source picture in a crop: found, kept and simulated for augmentation and forging.

Faces near the edge of a picture have it, and its frequency depends on the source of a clip. It must stay exactly black,
as it is when a file is scored, and must be as frequent in both classes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame

#: Smaller shares of black (in 1) are dark pixels rather than an edge.
_LEAST_SHARE = 0.002


def outside_of(frames: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return where the source picture had ended, uint8 (slots, height / 2, width / 2) of 0 and 255, or None.

    Half the resolution costs a quarter of the work; an edge that is off by a pixel does no harm.

    Args:
        frames: uint8 (slots, height, width, 3) as stored: never coded or recoloured since.
    """
    edges = (frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1])
    if not len(frames) or not any((edge.max(axis=2) == 0).mean() > 0.02 for edge in edges):
        return None
    half = (frames.shape[2] // 2, frames.shape[1] // 2)
    coarse = each_frame(frames, lambda frame: cv2.resize(frame, half, interpolation=cv2.INTER_NEAREST))
    black = each_frame(coarse, lambda frame: cv2.inRange(frame, (0, 0, 0), (0, 0, 0)))
    # Opening drops single black pixels of hair and pupils.
    square = np.ones((3, 3), dtype=np.uint8)
    found = each_frame(black, lambda mask: cv2.morphologyEx(mask, cv2.MORPH_OPEN, square))
    return found if float((found > 0).mean()) > _LEAST_SHARE else None


def blacken(frames: NDArray[np.uint8], outside: NDArray[np.uint8]) -> None:
    """Make ``frames`` uint8 (slots, height, width, 3) black, in place, in ``outside``, a mask of any resolution."""
    size = (frames.shape[2], frames.shape[1])
    black = np.zeros(frames.shape[1:], dtype=np.uint8)
    for frame, mask in zip(frames, outside, strict=True):
        fitting = mask if mask.shape == frame.shape[:2] else cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(black, fitting, frame)


def draw_outside(size_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a made-up end of the picture, uint8 (height, width) of 0 and 255, outside of a turned rectangle.

    The rectangle keeps the middle of the face: its nearest side is a quarter of the crop away from the centre.

    Args:
        size_px: Height and width of the crop.
        rng: Source of chance.
    """
    centre = np.full(2, size_px / 2)
    # Each side is drawn by itself; most ends of pictures cut one or two sides.
    reach = np.where(rng.random(4) < 0.45, rng.uniform(0.27, 0.55, 4), 1.5) * size_px
    left, top, right, bottom = reach
    corners = np.array([[-left, -top], [right, -top], [right, bottom], [-left, bottom]])
    angle = np.deg2rad(rng.normal(0, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mask = np.full((size_px, size_px), 255, dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners @ turn.T + centre).astype(np.int32), 0)
    return mask
