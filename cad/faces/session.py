# SPDX-License-Identifier: Apache-2.0
"""open_face_session gives FaceNet and PointNet their nets, checked to be of the right kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cad.errors import SpecMismatchError
from cad.weights import load_bytes
from cad.weights.session import open_session


def open_face_session(name: str, frames_input: str, outputs: Sequence[str]) -> Any:
    """Return an ONNX Runtime session on the CPU for the weights called ``name``.

    Args:
        name: Weights of kind ``face``.
        frames_input: Name that its only input must have; its type must be uint8.
        outputs: Outputs that it must have.

    Raises:
        WeightsNotFoundError: There are no weights of that name.
        WeightsIntegrityError: The file does not have its sha256.
        WeightsError: ONNX Runtime cannot load it.
        SpecMismatchError: Inputs or outputs are others.
    """
    session = open_session(load_bytes(name), name, threads=1)  # the other cores are for decoding
    inputs = [(node.name, node.type) for node in session.get_inputs()]
    found = {node.name for node in session.get_outputs()}
    if inputs != [(frames_input, "tensor(uint8)")] or not found.issuperset(outputs):
        raise SpecMismatchError(
            f"{name}: the net must take {frames_input} (uint8) and give {', '.join(outputs)}; "
            f"this one takes {inputs} and gives {', '.join(sorted(found))}"
        )
    return session
