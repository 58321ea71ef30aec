# SPDX-License-Identifier: Apache-2.0
"""Turns an exported file back into the float32 graph that ``cad.export.precision`` was given.

The values of weights stay those of the file: what rounding to fewer bits took from them does not come back.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cad.export.absent_faces import look_at_all
from cad.export.integer_products import integer_matrices


def widened(stored: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with all weights as float32 constants, nothing multiplied in integers, and no branch.

    Args:
        stored: What ``store_weights_as`` wrote, in any precision; it is not changed.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(stored)
    look_at_all(proto.graph)
    _fold_weights(proto.graph)
    _multiply_in_floats(proto.graph)
    drop_unused(proto.graph)
    return proto


def _fold_weights(graph: onnx.GraphProto) -> None:
    """Compute casts and products of constants, as the runtime does when it loads the file."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        is_widening = node.op_type in ("Cast", "Mul") and all(name in held for name in node.input)
        if not is_widening:
            kept.append(node)
            continue
        values = [numpy_helper.to_array(held[name]) for name in node.input]
        wide: NDArray[np.generic]
        if node.op_type == "Cast":
            kind = next(item.i for item in node.attribute if item.name == "to")
            wide = values[0].astype(helper.tensor_dtype_to_np_dtype(kind))
        else:
            wide = values[0] * values[1]
        held[node.output[0]] = numpy_helper.from_array(wide, node.output[0])
    _replace(graph, kept, list(held.values()))


def _multiply_in_floats(graph: onnx.GraphProto) -> None:
    """Put a plain product in place of each that ``multiply_in_integers`` replaced."""
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    matrices = integer_matrices(graph, held)
    given = {
        node.output[0].removesuffix(".sum"): node.input[0].removesuffix(".bytes")
        for node in graph.node
        if node.op_type == "MatMulInteger"
    }
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        output = node.output[0]
        if output in matrices:
            nodes.append(helper.make_node("MatMul", [given[output], f"{output}.matrix"], [output]))
        else:
            nodes.append(node)
    added = [numpy_helper.from_array(matrix, f"{output}.matrix") for output, matrix in matrices.items()]
    _replace(graph, nodes, [*graph.initializer, *added])


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that no output needs any more."""
    wanted = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    _replace(graph, kept[::-1], [tensor for tensor in graph.initializer if tensor.name in wanted])


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]) -> None:
    """Give the graph other nodes and constants; either list may hold some that it has."""
    fresh = onnx.GraphProto()
    fresh.node.extend(nodes)
    fresh.initializer.extend(tensors)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(fresh.node)
    graph.initializer.extend(fresh.initializer)
