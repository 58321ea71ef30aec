# SPDX-License-Identifier: Apache-2.0
"""open_face_session gives the small nets of this package an ONNX Runtime session from verified bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime

from cad.errors import SpecMismatchError, WeightsError
from cad.weights import load_bytes

_ERRORS_ONLY = 3


def open_face_session(name: str, threads: int, frames_input: str, outputs: Sequence[str]) -> Any:
    """Return an ONNX Runtime session on the CPU for the weights called ``name``.

    Args:
        name: Weights of kind ``face``.
        threads: One leaves the other cores to decoding.
        frames_input: What its only input must be called; its type must be uint8.
        outputs: Outputs that it must have.

    Raises:
        WeightsNotFoundError: There are no weights of that name.
        WeightsIntegrityError: The file does not have its sha256.
        WeightsError: ONNX Runtime cannot load it.
        SpecMismatchError: Inputs or outputs are others.
    """
    content = load_bytes(name)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no root but this one.
        raise WeightsError(f"{name}: ONNX Runtime cannot load the net: {error}") from error
    inputs = [(node.name, node.type) for node in session.get_inputs()]
    found = {node.name for node in session.get_outputs()}
    if inputs != [(frames_input, "tensor(uint8)")] or not found.issuperset(outputs):
        raise SpecMismatchError(
            f"{name}: the net must take {frames_input} (uint8) and give {', '.join(outputs)}; "
            f"this one takes {inputs} and gives {', '.join(sorted(found))}"
        )
    return session
