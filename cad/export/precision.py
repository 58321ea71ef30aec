# SPDX-License-Identifier: Apache-2.0
"""Writes an exported graph in one of the precisions that ``export/to_onnx.py --dtype`` offers.

``fp16`` and ``int8`` are precisions of storage: weights are widened to float32 when the file is loaded, and arithmetic
stays float32 and as fast, for the widening works on constants alone, so that the runtime does it once. In int8 the
large transformer is the exception: it multiplies in integers (``cad.export.integer_products``). ``int8_static`` also
lets the picture's convolutions do so (``cad.export.static_int8``), and ``fp16_compute`` is for graphics cards
(``cad.export.half_products``). What each costs and gives: docs/evaluation/precisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cad.errors import OptionError
from cad.export.absent_faces import skip_absent_faces
from cad.export.half_products import compute_in_half
from cad.export.integer_products import exact_of, multiply_in_integers
from cad.export.static_int8 import Range, multiply_by_ranges, plan_of

#: What a file in each precision is called.
PRECISIONS = {
    "fp32": "float32",
    "fp16": "float16 (storage only: computed in float32)",
    "fp16_compute": "float16 (encoders compute in it on a GPU; a CPU computes in float32, slower than from fp32)",
    "int8": "int8 (storage: computed in float32, but for the linear layers of a large encoder)",
    "int8_static": "int8 (convolutions of face and lips and linear layers of a large encoder multiply in integers)",
}
DTYPES = tuple(PRECISIONS)
#: Key of the file's metadata with one of DTYPES.
PRECISION_KEY = "cad.precision"
#: The precision that needs clips to measure ranges on.
CALIBRATED = "int8_static"

#: Smaller tensors are not worth a node.
MIN_ELEMENTS = 1024
#: The spectrogram spans 80 dB; rounded windows would fill its quiet end with noise.
KEPT = ("log_mel.",)
#: Their steps between levels stay as exact as they are.
_LEVELS = ("QuantizeLinear", "DequantizeLinear")


def store_weights_as(proto: onnx.ModelProto, path: Path, dtype: str, ranges: Mapping[str, Range] | None = None) -> None:
    """Write the graph in ``dtype`` (one of DTYPES); the graph itself is not changed.

    Args:
        proto: In float32.
        path: The file.
        dtype: One of DTYPES.
        ranges: Of the activations that ``plan_of`` names; for CALIBRATED alone.

    Raises:
        OptionError: CALIBRATED has no ranges, or the graph nothing that they are for.
    """
    if dtype == "fp16_compute":
        stored = compute_in_half(proto)
    else:
        stored = onnx.ModelProto()
        stored.CopyFrom(proto)
    if dtype == CALIBRATED:
        _plan_static(stored.graph, ranges)
    if dtype in ("int8", CALIBRATED):
        multiply_in_integers(stored.graph)
    if dtype in ("fp16", "int8", CALIBRATED):
        narrow_weights(stored.graph, "fp16" if dtype == "fp16" else "int8")
    skip_absent_faces(stored.graph)
    helper.set_model_props(stored, {one.key: one.value for one in stored.metadata_props} | {PRECISION_KEY: dtype})
    onnx.checker.check_model(stored)
    path.write_bytes(stored.SerializeToString())


def _plan_static(graph: onnx.GraphProto, ranges: Mapping[str, Range] | None) -> None:
    plan = plan_of(graph)
    if not plan.convolutions:
        raise OptionError(f"the net has no convolutions for {CALIBRATED}; int8 stores all its weights in 8 bits")
    if ranges is None:
        raise OptionError(f"{CALIBRATED} needs the ranges of activations: name clips with --calibrate-on MANIFEST")
    multiply_by_ranges(graph, plan, ranges)


def narrow_weights(graph: onnx.GraphProto, dtype: str) -> None:
    """Store the weights of a graph in ``fp16`` or ``int8``, in place; what multiplies in integers stays as it is."""
    first: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []
    exact = exact_of(graph) | {name for node in graph.node if node.op_type in _LEVELS for name in node.input[1:]}
    for tensor in graph.initializer:
        if tensor.name in exact or not _worth_it(tensor):
            kept.append(tensor)
            continue
        values = numpy_helper.to_array(tensor)
        if dtype == "fp16":
            kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half"))
            first.append(helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT))
        else:
            levels, scales = quantize(values, _channel_axis(graph, tensor.name))
            kept.append(numpy_helper.from_array(levels, f"{tensor.name}.levels"))
            kept.append(numpy_helper.from_array(scales, f"{tensor.name}.scales"))
            wide = f"{tensor.name}.wide"
            first.append(helper.make_node("Cast", [f"{tensor.name}.levels"], [wide], to=TensorProto.FLOAT))
            first.append(helper.make_node("Mul", [wide, f"{tensor.name}.scales"], [tensor.name]))
    nodes = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*first, *nodes])


def quantize(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 levels and the float32 scale of each channel along ``axis``, shaped to be multiplied with them.

    Source: symmetric per-channel quantisation, Krishnamoorthi, arXiv 1806.08342.
    """
    others = tuple(index for index in range(values.ndim) if index != axis)
    peaks = np.abs(values).max(axis=others, keepdims=True)
    scales = np.where(peaks > 0, peaks / 127.0, 1.0).astype(np.float32)
    return np.rint(values / scales).astype(np.int8), scales


def _worth_it(tensor: onnx.TensorProto) -> bool:
    elements = int(np.prod(tensor.dims))
    is_kept = any(name in tensor.name for name in KEPT)
    return tensor.data_type == TensorProto.FLOAT and elements >= MIN_ELEMENTS and not is_kept


def _channel_axis(graph: onnx.GraphProto, name: str) -> int:
    """Return the axis of the output channels: the last of a right-hand matrix, else the first."""
    for node in graph.node:
        if node.op_type == "MatMul" and len(node.input) > 1 and node.input[1] == name:
            return len(next(item.dims for item in graph.initializer if item.name == name)) - 1
    return 0
