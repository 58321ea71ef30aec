# SPDX-License-Identifier: Apache-2.0
"""PointNet gives the finder a second look at a roughly aligned face: exact points and a surer score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.errors import SpecMismatchError
from cad.faces.session import open_face_session

DEFAULT_NET = "face_points_s2"
#: Side of its crops, and the margin around the canonical crop in them.
REFINE_PX, REFINE_MARGIN_PX = 112, 12


@dataclass(frozen=True, slots=True)
class Refinement:
    """What the net saw in each crop, in the crop's pixels.

    Attributes:
        points_px: float32 (batch, 5, 2).
        boxes_px: float32 (batch, 4) left, top, right, bottom.
        scores: float32 (batch,) in [0, 1]: that there is a face about where it was expected.
    """

    points_px: NDArray[np.float32]
    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]


class PointNet:
    """Runs the net on crops of REFINE_PX.

    Args:
        name: Weights of kind ``face``.

    Raises:
        WeightsError: There are no such weights, they are damaged, or not of this kind.
    """

    def __init__(self, name: str = DEFAULT_NET) -> None:
        self.name = name
        self._session = open_face_session(name, "crops", ("points", "boxes", "scores"))

    def refine(self, crops: NDArray[np.uint8]) -> Refinement:
        """Return what is seen in ``crops``, uint8 (batch, REFINE_PX, REFINE_PX, 3) RGB.

        Raises:
            SpecMismatchError: The crops have another size.
        """
        if crops.shape[1:] != (REFINE_PX, REFINE_PX, 3):
            raise SpecMismatchError(f"{self.name} takes crops of {REFINE_PX} px, got {crops.shape}")
        points, boxes, scores = self._session.run(["points", "boxes", "scores"], {"crops": crops})
        return Refinement(points, boxes, scores)
