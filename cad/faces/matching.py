# SPDX-License-Identifier: Apache-2.0
"""match tells the tracker which face of a picture belongs to which track."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cad.faces.overlap import overlaps
from cad.faces.records import FaceDetection

#: A track's face and a found one are the same person if they overlap at least this much,
LEAST_OVERLAP = 0.25
#: or if their heights are alike and their centres nearer than this share of the height.
NEAR = 0.5
ALIKE_HEIGHT = 0.6
#: Two boxes of one picture that overlap more than this are one face.
SAME_FACE = 0.4


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
    """Say whether two faces of one picture are one face."""
    return bool(overlaps(one.box_px[None], other.box_px[None])[0, 0] > SAME_FACE)


def is_among(face: FaceDetection, others: Iterable[FaceDetection]) -> bool:
    """Say whether a face of a picture is one of ``others``."""
    return any(same_place(face, other) for other in others)


def _near(one: FaceDetection, other: FaceDetection) -> bool:
    heights = sorted(float(face.box_px[3] - face.box_px[1]) for face in (one, other))
    centres = [(face.box_px[:2] + face.box_px[2:]) / 2 for face in (one, other)]
    away = float(np.linalg.norm(centres[0] - centres[1]))
    return heights[0] >= ALIKE_HEIGHT * heights[1] and away <= NEAR * heights[1]
