# SPDX-License-Identifier: Apache-2.0
"""FaceNet gives the finder the faces of whole pictures: box, five points and score (ONNX Runtime on the CPU)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.faces.matching import SAME_FACE
from cad.faces.overlap import keep_best
from cad.faces.session import open_face_session

DEFAULT_NET = "face_yunet_s2"
_OUTPUTS = ("boxes", "points", "scores")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the net saw in one picture, best first, doubles removed.

    Attributes:
        boxes_px: float32 (faces, 4) left, top, right, bottom.
        points_px: float32 (faces, 5, 2) x, y.
        scores: float32 (faces,) in [0, 1].
    """

    boxes_px: NDArray[np.float32]
    points_px: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)


class FaceNet:
    """Runs the net on pictures as they are; the caller scales them.

    Args:
        name: Weights of kind ``face``.

    Raises:
        WeightsNotFoundError: There are no weights of that name.
        WeightsIntegrityError: The file does not have its sha256.
        WeightsError: ONNX Runtime cannot load it.
        SpecMismatchError: It is not a face net of ours.
    """

    def __init__(self, name: str = DEFAULT_NET) -> None:
        self.name = name
        self._session = open_face_session(name, "frames", _OUTPUTS)

    def detect(self, pictures: NDArray[np.uint8], least_score: float) -> list[Candidates]:
        """Return the faces in each picture, in its own pixels.

        Args:
            pictures: uint8 (batch, height, width, 3) RGB, sides of at least 32.
            least_score: Candidates below it are dropped.

        Returns:
            One record for each picture; of two candidates that overlap more than SAME_FACE the better stays.
        """
        found = []
        for boxes, points, scores in zip(*self._session.run(list(_OUTPUTS), {"frames": pictures}), strict=True):
            above = np.flatnonzero(scores >= least_score)
            order = above[np.argsort(-scores[above], kind="stable")]
            order = order[keep_best(boxes[order], SAME_FACE)]
            found.append(Candidates(boxes[order], points[order], scores[order]))
        return found
