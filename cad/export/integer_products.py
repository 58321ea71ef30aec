# SPDX-License-Identifier: Apache-2.0
"""Lets the large transformer of an exported graph multiply in int8, which is faster on a CPU and not only smaller.

A linear layer's input is quantised as it comes, each token by its own range, and multiplied with int8 levels of the
weights, one scale a column. One range for the whole tensor, as ``onnxruntime.quantization.quantize_dynamic`` has it,
is no use here: CLIP's features of ten faces then move by .76 of what tells the faces apart, instead of .15. Source:
token-wise quantisation, ZeroQuant, arXiv 2206.01861.

What is left is stored in int8 by ``cad.export.precision``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: Whose linear layers: those whose bias has such a name. Attention's own products stay float32.
LAYERS = ("model.large_face_encoder.net.blocks.",)
_PREFIX = "integer_products."
#: Of weights, on both sides of zero, and of tokens, from their lowest value to their highest.
LARGEST_LEVEL, TOKEN_LEVELS = 127, 255
#: Keeps the scale of a token that is zero throughout off zero.
_LEAST_SCALE = 1e-12
#: By how much int8 may move logits (root of the mean square over crops) of CLIP's own weights and a line of random
#: weights with a deviation of ``width ** -0.5``. Measured: 0.07 on parts of a photograph, whose logits spread by 0.21,
#: and 0.09 in the mean on faces, whose logits spread by 0.57.
LOGIT_TOLERANCE = 0.15


def multiply_in_integers(graph: onnx.GraphProto, layers: tuple[str, ...] | None = None) -> int:
    """Replace the matrix products of layers (LAYERS), by their biases' names, in place; return how many there were."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    chosen = {node.output[0] for node in _products(graph, held, LAYERS if layers is None else layers)}
    if not chosen:
        return 0
    quantised: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = _constants()
    gone: set[str] = set()
    for node in graph.node:
        if node.output[0] not in chosen:
            nodes.append(node)
            continue
        given, matrix = node.input
        if given not in quantised:
            quantised.add(given)
            nodes += _in_levels(given)
        if matrix not in gone:
            gone.add(matrix)
            added += _column_levels(numpy_helper.to_array(held[matrix]), matrix)
        nodes += _product(given, matrix, node.output[0])
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *added])
    return len(chosen)


def exact_of(graph: onnx.GraphProto) -> set[str]:
    """Return the names of what belongs to int8 matrices and has to stay as exact as it is."""
    levels = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    return {f"{name.removesuffix('.levels')}.{kind}" for name in levels for kind in ("scales", "sums")}


def integer_matrices(graph: onnx.GraphProto, held: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Return the matrices (rows, columns) that ``multiply_in_integers`` replaced, to within half a level.

    Args:
        graph: What it was applied to, or that graph read back from a file.
        held: The initializers of the graph by name.

    Returns:
        By the names that the products' outputs have.
    """
    found: dict[str, NDArray[np.float32]] = {}
    for node in graph.node:
        if node.op_type != "MatMulInteger" or not node.output[0].endswith(".sum"):
            continue
        levels, scales = (held.get(f"{node.input[1].removesuffix('.levels')}.{kind}") for kind in ("levels", "scales"))
        if levels is not None and scales is not None:
            found[node.output[0].removesuffix(".sum")] = levels.astype(np.float32) * scales.astype(np.float32)
    return found


def _products(
    graph: onnx.GraphProto, held: dict[str, onnx.TensorProto], layers: tuple[str, ...]
) -> Iterator[onnx.NodeProto]:
    """Yield the products with a constant matrix to which a bias of ``layers`` is added."""
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
            if one.startswith(layers) and product is not None and product.input[1] in held and uses[other] == 1:
                yield product


def _constants() -> list[onnx.TensorProto]:
    values: dict[str, NDArray[np.generic]] = {
        "last": np.array([-1], np.int64),
        "flat": np.array([-1], np.int64),
        "column": np.array([-1, 1], np.int64),
        "zero": np.array(0, np.float32),
        "levels": np.array(TOKEN_LEVELS, np.float32),
        "least": np.array(_LEAST_SCALE, np.float32),
    }
    return [numpy_helper.from_array(value, f"{_PREFIX}{name}") for name, value in values.items()]


def _in_levels(given: str) -> list[onnx.NodeProto]:
    """Return the nodes that quantise the tokens ``given`` (..., tokens, features), each by its own range.

    They make ``.bytes`` (all tokens, features), ``.scale`` and ``.zero`` (all tokens, 1), and ``.shape`` without the
    features.
    """
    constant = {name: f"{_PREFIX}{name}" for name in ("last", "flat", "column", "zero", "levels", "least")}

    def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, list(inputs), [f"{given}.{output}"], **attributes)

    own = {name: f"{given}.{name}" for name in ("highest", "lowest", "top", "bottom", "range", "step", "scales",
           "below", "place", "whole", "zeros", "features", "wide", "rows", "scale")}  # fmt: skip
    return [
        node("ReduceMax", [given, constant["last"]], "highest", keepdims=1),
        node("ReduceMin", [given, constant["last"]], "lowest", keepdims=1),
        # Zero has to be a level: it is what most features are.
        node("Max", [own["highest"], constant["zero"]], "top"),
        node("Min", [own["lowest"], constant["zero"]], "bottom"),
        node("Sub", [own["top"], own["bottom"]], "range"),
        node("Div", [own["range"], constant["levels"]], "step"),
        node("Max", [own["step"], constant["least"]], "wide"),
        node("Neg", [own["bottom"]], "below"),
        node("Div", [own["below"], own["wide"]], "place"),
        node("Round", [own["place"]], "whole"),
        node("Reshape", [own["wide"], constant["column"]], "scale"),
        node("Reshape", [own["whole"], constant["column"]], "zero"),
        node("Reshape", [own["wide"], constant["flat"]], "scales"),
        node("Reshape", [own["whole"], constant["flat"]], "zeros"),
        node("Cast", [own["zeros"]], "zero_levels", to=TensorProto.UINT8),
        node("Shape", [given], "shape", start=0, end=-1),
        node("Shape", [given], "features", start=-1),
        node("Concat", [constant["flat"], own["features"]], "rows", axis=0),
        node("Reshape", [given, own["rows"]], "tokens"),
        node("QuantizeLinear", [f"{given}.tokens", own["scales"], f"{given}.zero_levels"], "bytes", axis=0),
    ]


def _product(given: str, matrix: str, output: str) -> list[onnx.NodeProto]:
    """Return the nodes of one product: the sum of levels, less the tokens' zero, times both scales."""
    steps: list[tuple[str, list[str], str]] = [
        ("MatMulInteger", [f"{given}.bytes", f"{matrix}.levels"], "sum"),
        ("Cast", [f"{output}.sum"], "wide"),
        ("Mul", [f"{given}.zero", f"{matrix}.sums"], "of_zero"),
        ("Sub", [f"{output}.wide", f"{output}.of_zero"], "centred"),
        ("Mul", [f"{output}.centred", f"{given}.scale"], "by_token"),
        ("Mul", [f"{output}.by_token", f"{matrix}.scales"], "flat"),
        ("Concat", [f"{given}.shape", f"{matrix}.columns"], "shape"),
    ]
    attributes: dict[str, dict[str, Any]] = {"Cast": {"to": TensorProto.FLOAT}, "Concat": {"axis": 0}}
    nodes = [
        helper.make_node(kind, inputs, [f"{output}.{name}"], **attributes.get(kind, {})) for kind, inputs, name in steps
    ]
    return [*nodes, helper.make_node("Reshape", [f"{output}.flat", f"{output}.shape"], [output])]


def _column_levels(values: NDArray[np.float32], name: str) -> list[onnx.TensorProto]:
    """Return what stands for a matrix (rows, columns): int8 levels, the scale and the sum of levels of each column."""
    peaks = np.abs(values).max(axis=0)
    scales = np.where(peaks > 0, peaks / LARGEST_LEVEL, 1.0).astype(np.float32)
    levels = np.rint(values / scales).astype(np.int8)
    parts: dict[str, NDArray[np.generic]] = {
        "levels": levels,
        "scales": scales,
        "sums": levels.sum(axis=0, dtype=np.int64).astype(np.float32),
        "columns": np.array([values.shape[1]], np.int64),
    }
    return [numpy_helper.from_array(part, f"{name}.{kind}") for kind, part in parts.items()]
