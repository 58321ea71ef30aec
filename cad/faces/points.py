# SPDX-License-Identifier: Apache-2.0
"""PointNet gives the finder a second look at a roughly aligned face: exact points and a surer score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.errors import SpecMismatchError
from cad.faces.net import Seen, open_face_session
from cad.weights import find_entry

DEFAULT_NET = "face_points_s2"
_OUTPUTS = ("points", "boxes", "scores")
#: Side of its crops, and the margin around the canonical crop in them.
REFINE_PX, REFINE_MARGIN_PX = 112, 12


class PointNet:
    """Runs the net on crops of REFINE_PX.

    Args:
        name: Weights of kind ``face``.

    Raises:
        WeightsError: There are no such weights, they are damaged, or not of this kind.
    """

    def __init__(self, name: str = DEFAULT_NET) -> None:
        self.entry = find_entry(name)
        self._session = open_face_session(self.entry, "crops", _OUTPUTS)

    def refine(self, crops: NDArray[np.uint8]) -> Seen:
        """Return the face in each of ``crops``, uint8 (batch, REFINE_PX, REFINE_PX, 3) RGB.

        Its score says whether there is one about where it was expected.

        Raises:
            SpecMismatchError: The crops have another size.
        """
        if crops.shape[1:] != (REFINE_PX, REFINE_PX, 3):
            raise SpecMismatchError(f"{self.entry.name} takes crops of {REFINE_PX} px, got {crops.shape}")
        return Seen(*self._session.run(list(_OUTPUTS), {"crops": crops}))
