# SPDX-License-Identifier: Apache-2.0
"""Stores the weights of an exported graph in fewer bits, widened to float32 when the file is loaded.

Arithmetic stays float32 and as fast: the widening works on constants alone, so that the runtime does it once. In int8
the large transformer is the exception: it multiplies in integers (``cad.export.integer_products``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cad.export.absent_faces import skip_absent_faces
from cad.export.integer_products import exact_of, multiply_in_integers

DTYPES = ("fp32", "fp16", "int8")

#: Smaller tensors are not worth a node.
MIN_ELEMENTS = 1024
#: The spectrogram spans 80 dB; rounded windows would fill its quiet end with noise.
KEPT = ("log_mel.",)


def store_weights_as(proto: onnx.ModelProto, path: Path, dtype: str) -> None:
    """Write the graph with its weights in ``dtype`` (one of DTYPES); the graph itself is not changed."""
    stored = onnx.ModelProto()
    stored.CopyFrom(proto)
    if dtype != "fp32":
        _narrow(stored.graph, dtype)
    skip_absent_faces(stored.graph)
    onnx.checker.check_model(stored)
    path.write_bytes(stored.SerializeToString())


def _narrow(graph: onnx.GraphProto, dtype: str) -> None:
    first: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []
    if dtype == "int8":
        multiply_in_integers(graph)
    exact = exact_of(graph)
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
