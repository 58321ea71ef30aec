# SPDX-License-Identifier: Apache-2.0
"""Lets the large transformer of an exported graph multiply in int8, which is faster on a CPU and not only smaller.

A linear layer's input is quantised as it comes, one scale for the whole tensor, and multiplied with int8 levels of the
weights, one scale a column; ONNX Runtime fuses the nodes into a single kernel. Source: dynamic quantisation of ONNX
Runtime (``onnxruntime.quantization.quantize_dynamic``), whose nodes these are; here the matrices of one encoder are
chosen, and what is left is stored in int8 by ``cad.export.precision``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: Whose linear layers: those whose bias has such a name. Attention's own products stay float32.
LAYERS = ("model.large_face_encoder.net.blocks.",)
#: Largest level of a weight. With 127, processors without VNNI would let the sum of two products run over (255 * 127 *
#: 2 > 32767), and give other logits than those with it.
LARGEST_LEVEL = 63
#: By how much a picture's logit may move, in logits of a net whose logits spread by about one; measured: see
#: docs/training.md.
LOGIT_TOLERANCE = 0.25


def multiply_in_integers(graph: onnx.GraphProto) -> int:
    """Replace the matrix products of LAYERS in place, and return how many there were."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    chosen = {node.output[0]: node for node in _products(graph, held)}
    quantised: dict[str, tuple[str, str, str]] = {}
    nodes: list[onnx.NodeProto] = []
    gone: set[str] = set()
    for node in graph.node:
        if node.output[0] not in chosen:
            nodes.append(node)
            continue
        given, matrix = node.input
        if given not in quantised:
            quantised[given] = (f"{given}.bytes", f"{given}.scale", f"{given}.zero")
            nodes.append(helper.make_node("DynamicQuantizeLinear", [given], list(quantised[given])))
        nodes += _product(quantised[given], matrix, node.output[0])
        if matrix not in gone:
            levels, scales = _column_levels(numpy_helper.to_array(held[matrix]))
            graph.initializer.append(numpy_helper.from_array(levels, f"{matrix}.levels"))
            graph.initializer.append(numpy_helper.from_array(scales, f"{matrix}.scales"))
            gone.add(matrix)
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return len(chosen)


def scales_of(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the scales of int8 matrices, which have to stay as exact as they are."""
    levels = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    return {f"{name.removesuffix('.levels')}.scales" for name in levels}


def _products(graph: onnx.GraphProto, held: dict[str, onnx.TensorProto]) -> Iterator[onnx.NodeProto]:
    """Yield the products with a constant matrix to which a bias of LAYERS is added."""
    made = {node.output[0]: node for node in graph.node if node.op_type == "MatMul"}
    uses: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for one, other in (node.input, reversed(node.input)):
            product = made.get(other)
            if one.startswith(LAYERS) and product is not None and product.input[1] in held and uses[other] == 1:
                yield product


def _product(given: tuple[str, str, str], matrix: str, output: str) -> list[onnx.NodeProto]:
    levels, scale, zero = given
    return [
        helper.make_node("MatMulInteger", [levels, f"{matrix}.levels", zero], [f"{output}.sum"]),
        helper.make_node("Cast", [f"{output}.sum"], [f"{output}.wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, f"{matrix}.scales"], [f"{output}.scales"]),
        helper.make_node("Mul", [f"{output}.wide", f"{output}.scales"], [output]),
    ]


def _column_levels(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 levels of a matrix (rows, columns) and the float32 scale of each column (columns,)."""
    peaks = np.abs(values).max(axis=0)
    scales = np.where(peaks > 0, peaks / LARGEST_LEVEL, 1.0).astype(np.float32)
    return np.rint(values / scales).astype(np.int8), scales
