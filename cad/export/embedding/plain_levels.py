# SPDX-License-Identifier: Apache-2.0
"""Writes the quantisation of tokens, each by a scale of its own, in plain arithmetic, with the same result.

``cad.export.integer_products`` makes it of QuantizeLinear with a scale for every row. OpenVINO 2026.4 reads that
operator as one that has a scale for every column, and stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_PREFIX = "plain_levels."
_COLUMN = numpy_helper.from_array(np.array([1], np.int64), f"{_PREFIX}column")
_LOWEST = numpy_helper.from_array(np.array(0, np.float32), f"{_PREFIX}lowest")
_HIGHEST = numpy_helper.from_array(np.array(255, np.float32), f"{_PREFIX}highest")


def with_plain_levels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model in which no rows of a matrix are quantised by QuantizeLinear."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if _rewrite(copy.graph):
        copy.graph.initializer.extend([_COLUMN, _LOWEST, _HIGHEST])
    return copy


def _rewrite(graph: onnx.GraphProto) -> bool:
    """Rewrite a graph and those in its nodes in place, and say whether there was anything to rewrite."""
    nodes: list[onnx.NodeProto] = []
    is_changed = False
    for node in graph.node:
        if _is_by_row(node):
            nodes += _steps(node)
            is_changed = True
        else:
            nodes.append(node)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    is_changed |= _rewrite(attribute.g)
    del graph.node[:]
    graph.node.extend(nodes)
    return is_changed


def _is_by_row(node: onnx.NodeProto) -> bool:
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return node.op_type == "QuantizeLinear" and len(node.input) == 3 and axes == [0]


def _steps(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield what takes the place of a node: levels are the rounded quotients, moved by the zero, of one byte."""
    values, scales, zeros = node.input
    output = node.output[0]

    def step(kind: str, inputs: list[str], name: str, **attributes: Any) -> onnx.NodeProto:
        inputs = [one if one in node.input or one.startswith(_PREFIX) else f"{output}.{one}" for one in inputs]
        return helper.make_node(kind, inputs, [f"{output}.{name}" if name else output], **attributes)

    yield step("Unsqueeze", [scales, _COLUMN.name], "row_scales")
    yield step("Cast", [zeros], "float_zeros", to=TensorProto.FLOAT)
    yield step("Unsqueeze", ["float_zeros", _COLUMN.name], "row_zeros")
    yield step("Div", [values, "row_scales"], "quotients")
    yield step("Round", ["quotients"], "rounded")
    yield step("Add", ["rounded", "row_zeros"], "moved")
    yield step("Clip", ["moved", _LOWEST.name, _HIGHEST.name], "levels")
    yield step("Cast", ["levels"], "", to=TensorProto.UINT8)
