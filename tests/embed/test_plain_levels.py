# SPDX-License-Identifier: Apache-2.0
"""Tokens that are quantised in plain arithmetic get the levels that QuantizeLinear gives them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from requirements import needs

pytestmark = needs("train")


def quantising(axis: int) -> onnx.ModelProto:
    """A graph that quantises ``values`` by ``scales`` and ``zeros``, inside a branch that is always taken."""
    kinds = {"values": onnx.TensorProto.FLOAT, "scales": onnx.TensorProto.FLOAT, "zeros": onnx.TensorProto.UINT8}
    node = onnx.helper.make_node("QuantizeLinear", list(kinds), ["levels"], axis=axis)
    described = onnx.helper.make_tensor_value_info("levels", onnx.TensorProto.UINT8, None)
    branch = onnx.helper.make_graph([node], "branch", [], [described])
    choice = onnx.helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    inputs = [
        onnx.helper.make_tensor_value_info(name, kind, [None] * (2 if name == "values" else 1))
        for name, kind in kinds.items()
    ]
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [None, None])
    graph = onnx.helper.make_graph([choice], "quantising", inputs, [result], [yes])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_operatorsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, rng: np.random.Generator, scales: int) -> np.ndarray:
    feed = {
        "values": rng.normal(0, 40, (30, 40)).astype(np.float32),
        "scales": rng.uniform(0.05, 2, scales).astype(np.float32),
        "zeros": rng.integers(0, 255, scales).astype(np.uint8),
    }
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


def test_rows_get_the_same_levels_without_the_operator() -> None:
    from cad.export.embedding.plain_levels import with_plain_levels

    model = quantising(axis=0)
    plain = with_plain_levels(model)
    assert "QuantizeLinear" in str(model) and "QuantizeLinear" not in str(plain)
    before, after = (run(one, np.random.default_rng(3), 30) for one in (model, plain))
    assert (before == after).all() and len(np.unique(before)) > 100


def test_columns_are_left_as_they_are() -> None:
    from cad.export.embedding.plain_levels import with_plain_levels

    model = quantising(axis=1)
    assert with_plain_levels(model) == model
