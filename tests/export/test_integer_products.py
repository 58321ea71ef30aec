# SPDX-License-Identifier: Apache-2.0
"""The large transformer multiplies in int8: what is replaced, how exact it is, and that it stays within the bound."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from requirements import needs
from tiny_cad import BASE_OPTIONS, tiny_base

from cad.export import integer_products
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.export.integer_products import LARGEST_LEVEL, LOGIT_TOLERANCE, multiply_in_integers
from cad.export.parity import check_parity
from cad.export.precision import store_weights_as
from cad.models import create_model

BIAS = "model.large_face_encoder.net.blocks.0.mlp.fc1.bias"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(7)
    return tiny_base(lip_options={"net_width": 16}, prototypes=8)


@pytest.fixture(scope="module")
def graph(model):
    return export_graph(model, spec_of(model.config, "tiny", {}))


def linear_graph(matrix: np.ndarray, bias: str = BIAS) -> onnx.ModelProto:
    """One linear layer."""
    rows, columns = matrix.shape
    held = [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(np.zeros(columns, np.float32), bias)]
    nodes = [
        helper.make_node("MatMul", ["x", "matrix"], ["product"]),
        helper.make_node("Add", ["product", bias], ["y"]),
    ]
    made = helper.make_graph(
        nodes, "line", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, columns])], held,
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(proto: onnx.ModelProto, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": given})[0]


def test_a_layer_says_the_same_to_within_its_levels(rng):
    matrix = (rng.normal(size=(64, 32)) * np.geomspace(0.01, 10, 32)).astype(np.float32)
    matrix[:, 3] = 0
    given = rng.normal(size=(5, 64)).astype(np.float32)
    proto = linear_graph(matrix)
    expected = run(proto, given)
    assert multiply_in_integers(proto.graph) == 1
    found = run(proto, given)
    # Columns of any size are as exact, and an empty one stays empty.
    share = np.abs(found - expected).max(0) / np.maximum(np.abs(expected).max(0), 1e-9)
    assert 0 < share.max() < 0.05 and not found[:, 3].any()
    kinds = [node.op_type for node in proto.graph.node]
    assert "MatMul" not in kinds and kinds.count("MatMulInteger") == 1


def test_no_sum_of_two_products_runs_over_where_there_is_no_vnni(rng):
    """Such processors add two products of a byte and a level in 16 bits."""
    matrix = rng.normal(size=(8, 4)).astype(np.float32)
    proto = linear_graph(matrix)
    multiply_in_integers(proto.graph)
    levels = next(numpy_helper.to_array(one) for one in proto.graph.initializer if one.name == "matrix.levels")
    assert levels.dtype == np.int8 and np.abs(levels).max() == LARGEST_LEVEL
    assert 2 * 255 * int(np.abs(levels).max()) <= np.iinfo(np.int16).max


def test_other_layers_are_left_alone(rng):
    proto = linear_graph(rng.normal(size=(8, 4)).astype(np.float32), "model.audio_head.hidden.0.bias")
    before = proto.SerializeToString()
    assert multiply_in_integers(proto.graph) == 0 and proto.SerializeToString() == before


def test_every_linear_layer_of_the_large_transformer_and_no_other(graph):
    proto = onnx.ModelProto()
    proto.CopyFrom(graph)
    names = {tensor.name for tensor in proto.graph.initializer}
    blocks = BASE_OPTIONS["large_face_options"]["blocks"]
    # Query, key and value in one; then the projection and the two layers behind it.
    assert multiply_in_integers(proto.graph) == 4 * blocks
    integers = [node for node in proto.graph.node if node.op_type == "MatMulInteger"]
    assert len(integers) == 4 * blocks
    onnx.checker.check_model(proto)
    gone = names - {tensor.name for tensor in proto.graph.initializer}
    assert len(gone) == 4 * blocks


def test_the_stored_file_keeps_its_outputs_within_the_bound(graph, model, tmp_path):
    path = tmp_path / "int8.onnx"
    store_weights_as(graph, path, "int8")
    proto = onnx.load(path)
    exact = {name.removesuffix(".levels") for node in proto.graph.node if node.op_type == "MatMulInteger"
             for name in node.input[1:2]}  # fmt: skip
    scales = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    assert all(scales[f"{name}.scales"] == TensorProto.FLOAT for name in exact)
    worst = {item.output: item.absolute for item in check_parity(model, path, strict=False)}
    assert 0 < worst["video_logit"] < LOGIT_TOLERANCE and worst["video_frame_logits"] < LOGIT_TOLERANCE


def test_cad_small_is_stored_as_before(monkeypatch, rng, tmp_path):
    proto = linear_graph(rng.normal(size=(64, 32)).astype(np.float32), "model.audio_head.hidden.0.bias")
    store_weights_as(proto, tmp_path / "one.onnx", "int8")
    monkeypatch.setattr(integer_products, "LAYERS", ())
    store_weights_as(proto, tmp_path / "two.onnx", "int8")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.slow
@needs("clip")
def test_clip_in_integers_moves_the_logit_by_less_than_the_bound(tmp_path):
    """With the published transformer and a line whose logits of faces spread by about one."""
    torch.manual_seed(0)
    net = create_model("cad_base").eval()
    net.large_face_encoder.load_pretrained({})
    with torch.no_grad():
        net.video_head.large.line.weight.normal_(0.0, 1.0 / net.large_face_encoder.width**0.5)
    path = tmp_path / "int8.onnx"
    store_weights_as(export_graph(net, spec_of(net.config, "base", {})), path, "int8")
    assert path.stat().st_size < 100e6
    worst = {item.output: item.absolute for item in check_parity(net, path, strict=False)}
    assert 0 < worst["video_logit"] < LOGIT_TOLERANCE
