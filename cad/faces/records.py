# SPDX-License-Identifier: Apache-2.0
"""The records of faces that pass between modules: what one picture shows, and one person's crops over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.values import ValueRecord

CROP_SIZE_PX = 160

#: Where the five points (eye at the image's left, eye at its right, nose tip, mouth corner at the left, at the
#: right) stand in an aligned crop of CROP_SIZE_PX: 40 px between the eyes, x then y.
#: Source: the 112 px ArcFace template (arXiv 1801.07698), scaled so that the face's outline and the chin stay inside.
CANONICAL_POINTS_PX: NDArray[np.float32] = np.array(
    [[60.0, 60.0], [100.0, 60.0], [80.1, 82.9], [63.7, 106.3], [96.8, 106.1]], dtype=np.float32
)
#: Which point stands where another stood when the picture is mirrored.
MIRRORED_POINTS = (1, 0, 2, 4, 3)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceDetection(ValueRecord):
    """One face in one picture, in that picture's pixels.

    Attributes:
        box_px: float32 (4,) left, top, right, bottom.
        points_px: float32 (5, 2) x, y in the order of CANONICAL_POINTS_PX.
        score: In [0, 1].
    """

    box_px: NDArray[np.float32]
    points_px: NDArray[np.float32]
    score: float


def rescaled(face: FaceDetection, factors: NDArray[np.float32] | float) -> FaceDetection:
    """Return a face as it lies in the same picture at another size, ``factors`` (x, y) times as large.

    Example:
        >>> face = FaceDetection(np.float32([0, 1, 2, 3]), np.zeros((5, 2), np.float32), 0.9)
        >>> rescaled(face, np.float32([2, 3])).box_px.tolist()
        [0.5, 4.0, 4.5, 10.0]
    """
    # Pixel centres are whole numbers on both sides of the scaling.
    points = (face.points_px + np.float32(0.5)) * factors - np.float32(0.5)
    box = (face.box_px.reshape(2, 2) + np.float32(0.5)) * factors - np.float32(0.5)
    return FaceDetection(box.reshape(4).astype(np.float32), points.astype(np.float32), face.score)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceCrops(ValueRecord):
    """Consecutive grid slots of one tracked face, aligned.

    Attributes:
        track_id: Stable within a file, from 0 in order of appearance; a track never crosses a cut.
        first_slot: Grid slot of ``crops[0]``.
        crops: uint8 (slots, 160, 160, 3) RGB, aligned to CANONICAL_POINTS_PX.
        present: bool (slots,); False where the frame is missing or the face was not seen.
        boxes_px: float32 (slots, 4) in the file's pixels, at the size that the picture has there.
        points_px: float32 (slots, 5, 2) likewise, smoothed.
        scores: float32 (slots,) detector score in [0, 1], interpolated between key frames.
    """

    track_id: int
    first_slot: int
    crops: NDArray[np.uint8]
    present: NDArray[np.bool_]
    boxes_px: NDArray[np.float32]
    points_px: NDArray[np.float32]
    scores: NDArray[np.float32]
