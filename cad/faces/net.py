# SPDX-License-Identifier: Apache-2.0
"""FaceNet gives the finder the faces of whole pictures: box, five points and score (ONNX Runtime on the CPU)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import SpecMismatchError
from cad.faces.overlap import SAME_FACE, keep_best
from cad.weights import WeightsEntry, find_entry, read_verified
from cad.weights.session import open_session

DEFAULT_NET = "face_yunet_s2"
_OUTPUTS = ("boxes", "points", "scores")


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces that a net saw, in the pixels of what it was given.

    Attributes:
        points_px: float32 (faces, 5, 2) x, y.
        boxes_px: float32 (faces, 4) left, top, right, bottom.
        scores: float32 (faces,) in [0, 1].
    """

    points_px: NDArray[np.float32]
    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]


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
        self.entry = find_entry(name)
        self._session = open_face_session(self.entry, "frames", _OUTPUTS)

    def detect(self, pictures: NDArray[np.uint8], least_score: float) -> list[Seen]:
        """Return the faces in each picture, in its own pixels.

        Args:
            pictures: uint8 (batch, height, width, 3) RGB, sides of at least 32.
            least_score: Candidates below it are dropped.

        Returns:
            One record for each picture, best first; of two candidates that overlap more than SAME_FACE the better
            stays.
        """
        found = []
        for boxes, points, scores in zip(*self._session.run(list(_OUTPUTS), {"frames": pictures}), strict=True):
            above = np.flatnonzero(scores >= least_score)
            order = above[np.argsort(-scores[above], kind="stable")]
            order = order[keep_best(boxes[order], SAME_FACE)]
            found.append(Seen(points[order], boxes[order], scores[order]))
        return found


def open_face_session(entry: WeightsEntry, frames_input: str, outputs: Sequence[str]) -> Any:
    """Return an ONNX Runtime session on the CPU for weights.

    Args:
        entry: Weights of kind ``face``.
        frames_input: Name that its only input must have; its type must be uint8.
        outputs: Outputs that it must have.

    Raises:
        WeightsError: As FaceNet.
        SpecMismatchError: Inputs or outputs are others.
    """
    session = open_session(read_verified(entry), entry.name, threads=1)  # the other cores are for decoding
    inputs = [(node.name, node.type) for node in session.get_inputs()]
    found = {node.name for node in session.get_outputs()}
    if inputs != [(frames_input, "tensor(uint8)")] or not found.issuperset(outputs):
        raise SpecMismatchError(
            f"{entry.name}: the net must take {frames_input} (uint8) and give {', '.join(outputs)}; "
            f"this one takes {inputs} and gives {', '.join(sorted(found))}"
        )
    return session
