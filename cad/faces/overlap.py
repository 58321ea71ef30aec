# SPDX-License-Identifier: Apache-2.0
"""Tells the finder and the tracker which boxes are one face, and which face of a picture belongs to which track."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cad.faces.records import FaceDetection

#: A track's face and a found one are the same person if they overlap at least this much,
LEAST_OVERLAP = 0.25
#: or if their heights are alike and their centres nearer than this share of the height.
NEAR = 0.5
ALIKE_HEIGHT = 0.6
#: Two boxes of one picture that overlap more than this are one face.
SAME_FACE = 0.4
#: So is a box of which so much lies within the other: nobody's face is inside another's.
PART_OF_FACE = 0.8


def overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of every box with every other.

    Args:
        boxes: (a, 4) left, top, right, bottom.
        others: (b, 4).

    Returns:
        float32 (a, b) in [0, 1]; 0 where a box has no area.

    Example:
        >>> overlaps(np.float32([[0, 0, 2, 2]]), np.float32([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
        [[0.3330000042915344, 0.0]]
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    union = _areas(boxes)[:, None] + _areas(others)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def keep_best(boxes: NDArray[np.float32], limit: float) -> NDArray[np.intp]:
    """Return the indices of the boxes to keep, of ``boxes`` best first: no two overlap by more than ``limit``.

    Example:
        >>> keep_best(np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]), 0.4).tolist()
        [0, 2]
    """
    left = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    for index in range(len(boxes)):
        if left[index]:
            kept.append(index)
            left &= overlaps(boxes[index : index + 1], boxes)[0] <= limit
    return np.array(kept, dtype=np.intp)


def match(expected: Sequence[FaceDetection], found: Sequence[FaceDetection]) -> list[int | None]:
    """Return for each expected face the index of the found one that it is, or None; the surest pairs first.

    Example:
        >>> face = FaceDetection(np.float32([0, 0, 10, 12]), np.zeros((5, 2), np.float32), 0.9)
        >>> other = FaceDetection(np.float32([50, 0, 60, 12]), np.zeros((5, 2), np.float32), 0.9)
        >>> match([face, other], [other])
        [None, 0]
    """
    owners: list[int | None] = [None] * len(expected)
    if not expected or not found:
        return owners
    affinity = overlaps(np.stack([face.box_px for face in expected]), np.stack([face.box_px for face in found]))
    for i, one in enumerate(expected):
        for j, other in enumerate(found):
            if affinity[i, j] < LEAST_OVERLAP:
                affinity[i, j] = 0.2 if _near(one, other) else 0.0
    while affinity.max() > 0:
        row, column = divmod(int(affinity.argmax()), affinity.shape[1])
        owners[row] = column
        affinity[row, :] = 0
        affinity[:, column] = 0
    return owners


def same_place(one: FaceDetection, other: FaceDetection) -> bool:
    """Say whether two faces of one picture are one face, or one is a part of the other that passes for a face."""
    low, high = np.maximum(one.box_px[:2], other.box_px[:2]), np.minimum(one.box_px[2:], other.box_px[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    smaller, larger = sorted(float(np.clip(face.box_px[2:] - face.box_px[:2], 0, None).prod()) for face in (one, other))
    inside = shared > PART_OF_FACE * smaller and smaller > 0
    return inside or shared > SAME_FACE * max(larger + smaller - shared, 1e-9)


def is_among(face: FaceDetection, others: Iterable[FaceDetection]) -> bool:
    """Say whether a face of a picture is one of ``others``."""
    return any(same_place(face, other) for other in others)


def _near(one: FaceDetection, other: FaceDetection) -> bool:
    heights = sorted(float(face.box_px[3] - face.box_px[1]) for face in (one, other))
    centres = [(face.box_px[:2] + face.box_px[2:]) / 2 for face in (one, other)]
    away = float(np.linalg.norm(centres[0] - centres[1]))
    return heights[0] >= ALIKE_HEIGHT * heights[1] and away <= NEAR * heights[1]


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1), dtype=np.float32)
