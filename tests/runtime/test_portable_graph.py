# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cad.errors import WeightsError
from cad.export.integer_products import LAYERS, multiply_in_integers
from cad.runtime.portable_graph import portable
from cad.weights import find_entry, read_verified
from cad.weights.protobuf_fields import joined, read_fields


def product_model(rng: np.random.Generator, inside: bool) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return a model of two linear layers, whether or not inside an If, and the same in integers."""
    tensors = {
        "first": rng.normal(size=(16, 24)),
        f"{LAYERS[0]}0.bias": rng.normal(size=24),
        "second": rng.normal(size=(24, 8)),
        f"{LAYERS[0]}1.bias": rng.normal(size=8),
    }
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "first"], ["a"]),
        node("Add", ["a", f"{LAYERS[0]}0.bias"], ["b"]),
        node("MatMul", ["b", "second"], ["c"]),
        node("Add", ["c", f"{LAYERS[0]}1.bias"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, None])
    made = []
    for in_integers in (False, True):
        graph = helper.make_graph(list(nodes), "g", [x], [y], list(held))
        if in_integers:
            assert multiply_in_integers(graph) == 2
        if inside:
            graph = within_an_if(graph)
        made.append(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    return made[0], made[1]


def within_an_if(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return a graph that computes another one, whose initializers stay outside, where ``x`` has something above 0."""
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, None])
    then = helper.make_graph(list(graph.node), "then", [], [result])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "else", [], [result])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "none"], ["any"]),
        helper.make_node("If", ["any"], ["z"], then_branch=then, else_branch=other),
    ]
    none = numpy_helper.from_array(np.array(0, np.float32), "none")
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, None, None])
    return helper.make_graph(nodes, "outer", list(graph.input), [z], [*graph.initializer, none])


def operators(graph: onnx.GraphProto) -> list[str]:
    found = []
    for node in graph.node:
        found.append(node.op_type)
        for item in node.attribute:
            if item.type == onnx.AttributeProto.GRAPH:
                found += operators(item.g)
    return found


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


@pytest.mark.parametrize("inside", [False, True])
def test_products_of_integers_become_products_of_the_same_weights(rng, inside):
    exact, integers = product_model(rng, inside)
    content = portable(integers.SerializeToString(), "made")
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    left = operators(model.graph)
    assert "MatMulInteger" not in left and "QuantizeLinear" not in left and left.count("MatMul") == 2
    assert len(left) <= 8 + 4 * inside  # nothing of the quantisation of tokens is left behind
    x = rng.normal(size=(2, 5, 16)).astype(np.float32)
    true, quantised, ours = (run(one, x) for one in (exact.SerializeToString(), integers.SerializeToString(), content))
    assert ours.shape == true.shape
    # The weights keep their rounding to int8; what is multiplied with them has none any more.
    assert 0 < np.abs(ours - true).max() < np.abs(quantised - true).max()


def test_a_graph_that_uses_no_integers_comes_back_the_same(rng):
    exact, _ = product_model(rng, inside=True)
    content = exact.SerializeToString()
    assert onnx.load_from_string(portable(content, "made")) == onnx.load_from_string(content)


@pytest.mark.parametrize(
    ("bounds", "expected"), [(["low", ""], "Max"), (["", "high"], "Min"), (["low", "high"], "Clip")]
)
def test_a_bound_on_one_side_is_a_maximum_or_minimum(bounds, expected):
    held = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in (("low", -2), ("high", 3))]
    inputs = ["x", *bounds] if bounds[1] else ["x", bounds[0]]
    x, y = (helper.make_tensor_value_info(name, TensorProto.INT64, [None]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Clip", inputs, ["y"])], "g", [x], [y], held)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    ours = portable(content, "made")
    assert operators(onnx.load_from_string(ours).graph) == [expected]
    values = np.arange(-5, 6)
    np.testing.assert_array_equal(run(ours, values), run(content, values))


@pytest.mark.parametrize("content", [b"\x3a\xff", b"\x3a\x02\x0a\x09", b"\x00\x01\x02" * 5, b"\x3a" + b"\xff" * 12])
def test_bytes_that_are_no_model_are_a_weights_error(content):
    with pytest.raises(WeightsError, match="not an ONNX file"):
        portable(content, "noise")


def test_a_file_is_put_together_as_it_was_taken_apart(rng):
    content = product_model(rng, inside=True)[1].SerializeToString()
    assert joined(read_fields(content)) == content
    negative = b"\x18" + b"\xff" * 9 + b"\x01"  # -1, as protobuf writes it
    assert joined(read_fields(negative)) == negative


@pytest.mark.slow
def test_the_packaged_model_keeps_its_nodes_but_the_products():
    content = read_verified(find_entry("cad_base_1"))
    before, after = (onnx.load_from_string(one).graph for one in (content, portable(content, "cad_base_1")))
    onnx.checker.check_model(onnx.load_from_string(portable(content, "cad_base_1")))
    assert operators(before).count("MatMulInteger") == 32 and "MatMulInteger" not in operators(after)
    assert operators(after).count("MatMul") == operators(before).count("MatMul") + 32
    assert [one.name for one in after.output] == [one.name for one in before.output]
