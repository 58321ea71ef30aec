# SPDX-License-Identifier: Apache-2.0
"""Writes a model that was exported once more, in another precision, for export/to_precision.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from cad.errors import ExportError, WeightsError
from cad.export.calibration_clips import check_calibration, ranges_for
from cad.export.parity import Difference, parity_cases
from cad.export.precision import store_weights_as
from cad.export.widening import widened
from cad.runtime.session import check_graph, read_spec
from cad.spec import METADATA_KEY, OUTPUTS
from cad.weights import WeightsEntry, read_verified
from cad.weights.onnx_bytes import check_self_contained
from cad.weights.session import open_session
from cad.whole_files import written_beside


def export_stored(
    entry: WeightsEntry, output: Path, name: str | None, dtype: str, calibrate_on: Path | None = None
) -> list[Difference]:
    """Write a model in another precision and return by how much each output differs from its float32 form at most.

    Calibration and operating points are kept; they were measured with the model as it was.

    Args:
        entry: A detector in fp32, fp16 or int8.
        output: The ``.onnx`` file.
        name: Of the weights; None for the output's stem.
        dtype: See ``cad.export.precision``.
        calibrate_on: Manifest of clips, which ``int8_static`` alone needs.

    Raises:
        OptionError: ``int8_static`` has no manifest, or another precision has one.
        DataError: The manifest cannot be used, or none of its clips shows a face.
        WeightsError: The model cannot be read or run.
        ExportError: It computes in float16 or on levels, which does not go back; or what was written gives no numbers.
        OSError: The file cannot be written.
    """
    check_calibration(dtype, calibrate_on)
    content = read_verified(entry)
    check_self_contained(content, entry.name)
    try:
        stored = onnx.load_from_string(content)
    except DecodeError as error:
        raise WeightsError(f"{entry.name} is not an ONNX file: {error}") from error
    session = open_session(content, entry.name)
    check_graph(session, entry.name)
    proto = widened(stored)
    if not _is_float32(proto):
        raise ExportError(f"{entry.name} computes in fewer bits; begin from its checkpoint, or from fp32, fp16 or int8")
    spec = replace(read_spec(session, entry.name), name=name or output.stem)
    kept = {one.key: one.value for one in proto.metadata_props} | {METADATA_KEY: spec.to_json()}
    onnx.helper.set_model_props(proto, kept)
    ranges = ranges_for(proto, spec, dtype, calibrate_on)
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(output) as part:
        store_weights_as(proto, part, dtype, ranges)
        return _differences(open_session(proto.SerializeToString(), "float32"), open_session(part.read_bytes(), "it"))


def _is_float32(proto: onnx.ModelProto) -> bool:
    kinds = {tensor.data_type for tensor in proto.graph.initializer}
    operators = {node.op_type for node in proto.graph.node}
    narrow = {TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8}
    return not kinds & narrow and not operators & {"QuantizeLinear", "DequantizeLinear", "MatMulInteger"}


def _differences(reference: Any, written: Any) -> list[Difference]:
    worst = {name: Difference(name, 0.0, 0.0, "") for name in OUTPUTS}
    for case, inputs in parity_cases():
        pairs = zip(OUTPUTS, *(session.run(list(OUTPUTS), inputs) for session in (reference, written)), strict=True)
        for name, expected, found in pairs:
            if not np.isfinite(found).all():
                raise ExportError(f"{name} at {case}: the graph gives values that are not finite")
            gap = float(np.abs(expected - found).max())
            if gap >= worst[name].absolute:
                worst[name] = replace(worst[name], absolute=gap, case=case)
    return list(worst.values())
