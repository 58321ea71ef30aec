# SPDX-License-Identifier: Apache-2.0
"""The large transformer multiplies in int8: what is replaced, how exact it is, and that it stays within the bound."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from benchmarks.large_face import exported, judged_crops, opened, published_net
from onnx import TensorProto, helper, numpy_helper
from requirements import needs
from tiny_cad import BASE_OPTIONS, tiny_base, windows

from cad.errors import OptionError
from cad.export import integer_products
from cad.export.absent_faces import look_at_all
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.export.integer_products import LARGEST_LEVEL, LOGIT_TOLERANCE, multiply_in_integers
from cad.export.parity import check_parity
from cad.export.precision import store_weights_as
from cad.spec import OUTPUTS
from cad.training.packaged import read_packaged, training_only
from cad.training.start import StartFrom, load_parts

DATA = Path(__file__).resolve().parents[1] / "data"
BIAS = "model.large_face_encoder.net.blocks.0.mlp.fc1.bias"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(7)
    made = tiny_base(voice_change=True, voice_members=2)
    with torch.no_grad():
        made.video_head.mixture.weights.copy_(torch.tensor([-0.2, 0.3]))
        made.video_head.mixture.settle(torch.tensor([0.3, -0.4]), torch.tensor([1.5, 0.7]))
        made.video_head.large.log_scale.add_(0.1)
    return made


@pytest.fixture(scope="module")
def graph(model):
    return export_graph(model, spec_of(model.config, "tiny", {}))


def linear_graph(matrix: np.ndarray, bias: str = BIAS, axes: tuple[int | None, ...] = ()) -> onnx.ModelProto:
    """One linear layer on an input with these axes, (tokens, features) if none are given."""
    rows, columns = matrix.shape
    axes = axes or (None, rows)
    held = [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(np.zeros(columns, np.float32), bias)]
    nodes = [
        helper.make_node("MatMul", ["x", "matrix"], ["product"]),
        helper.make_node("Add", ["product", bias], ["y"]),
    ]
    made = helper.make_graph(
        nodes, "line", [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*axes[:-1], columns])], held,
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


def test_each_token_has_a_range_of_its_own(rng):
    """A token that is a thousand times as large as another costs the other nothing."""
    matrix = rng.normal(size=(64, 32)).astype(np.float32)
    given = rng.normal(size=(3, 64)).astype(np.float32) * np.array([[1.0], [1000.0], [0.0]], np.float32)
    given[0] += 3.0  # all on one side of zero
    proto = linear_graph(matrix)
    expected = run(proto, given)
    multiply_in_integers(proto.graph)
    found = run(proto, given)
    for token in (0, 1):
        assert np.abs(found[token] - expected[token]).max() < 0.03 * np.abs(expected[token]).max()
    assert not found[2].any()


def test_batches_of_tokens_keep_their_shape(rng):
    matrix = rng.normal(size=(16, 8)).astype(np.float32)
    proto, given = linear_graph(matrix, axes=(None, 5, 16)), rng.normal(size=(3, 5, 16)).astype(np.float32)
    expected = run(proto, given)
    multiply_in_integers(proto.graph)
    found = run(proto, given)
    assert found.shape == (3, 5, 8)
    np.testing.assert_allclose(found, expected, atol=0.15)


def test_levels_that_are_given_are_kept(rng):
    """CLIP's package has int8 levels, too: they are found again and cost nothing."""
    levels = rng.integers(-LARGEST_LEVEL, LARGEST_LEVEL + 1, (8, 4))
    levels[0] = LARGEST_LEVEL
    proto = linear_graph((levels * np.float32([0.1, 2.0, 1e-3, 5.0])).astype(np.float32))
    multiply_in_integers(proto.graph)
    held = {one.name: numpy_helper.to_array(one) for one in proto.graph.initializer}
    assert np.array_equal(held["matrix.levels"], levels)
    assert np.array_equal(held["matrix.sums"], levels.sum(0))


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
    assert all(scales[f"{name}.{kind}"] == TensorProto.FLOAT for name in exact for kind in ("scales", "sums"))
    worst = {item.output: item.absolute for item in check_parity(model, path, strict=False)}
    assert 0 < worst["video_logit"] < 0.1 and worst["video_frame_logits"] < 0.1


def test_what_is_stored_as_float_is_read_back_whole(graph, model, tmp_path):
    path = tmp_path / "own.onnx"
    store_weights_as(graph, path, "fp32")
    found, own = read_packaged(path, model), model.state_dict()
    # Of equal tensors the exporter keeps one name, which can be that of a layer that the graph has no use for.
    assert all(name.startswith(training_only(model)) for name in own.keys() - found.keys())
    for name, value in found.items():
        if name.startswith(("large_face_encoder.", "video_head.", "audio_head.hidden.", "fusion.")):
            torch.testing.assert_close(value, own[name], rtol=1e-5, atol=1e-6, msg=name)


def test_the_integer_matrices_are_read_back_to_within_half_a_level(graph, model, tmp_path):
    path = tmp_path / "int8.onnx"
    store_weights_as(graph, path, "int8")
    found, own = read_packaged(path, model), model.state_dict()
    # Of equal tensors the exporter keeps one name, which can be that of a layer that the graph has no use for.
    assert all(name.startswith(training_only(model)) for name in own.keys() - found.keys())
    held = {tensor.name for tensor in onnx.load(path).graph.initializer}
    integers = [name for name in found if name.startswith("large_face_encoder.net.blocks.") and own[name].ndim == 2]
    assert len(integers) == 4 * BASE_OPTIONS["large_face_options"]["blocks"]
    assert not any(f"model.{name}" in held for name in integers)
    for name in integers:
        # Rows of the net's matrix are columns of the graph's.
        level = own[name].abs().amax(1, keepdim=True) / LARGEST_LEVEL
        assert 0 < ((found[name] - own[name]).abs() / level).max() < 0.501, name
    for name in ("large.log_scale", "mixture.weights", "mixture.centre", "mixture.spread"):
        torch.testing.assert_close(found[f"video_head.{name}"], own[f"video_head.{name}"], rtol=1e-5, atol=1e-6)


def test_a_net_that_begins_from_the_stored_file_says_nearly_the_same(graph, model, tmp_path):
    path = tmp_path / "int8.onnx"
    store_weights_as(graph, path, "int8")
    torch.manual_seed(8)
    other = tiny_base(voice_change=True, voice_members=2)
    taken = load_parts(other, [StartFrom(str(path))])
    assert taken == other.state_dict().keys()
    inputs = windows()
    with torch.inference_mode():
        a, b = model(*inputs), other.eval()(*inputs)
        spread = {name: getattr(tiny_base(voice_change=True, voice_members=2)(*inputs), name) for name in OUTPUTS}
    for name in ("video_logit", "video_frame_logits", "audio_logit", "fused_logit"):
        gap, apart = ((getattr(a, name) - one).abs().max() for one in (getattr(b, name), spread[name]))
        assert gap < 0.02 and gap < 0.2 * apart, (name, gap, apart)


def test_a_large_part_that_the_file_lacks_is_refused(graph, model, tmp_path):
    path = tmp_path / "int8.onnx"
    store_weights_as(graph, path, "int8")
    proto = onnx.load(path)
    look_at_all(proto.graph)
    (node,) = [one for one in proto.graph.node if one.op_type == "MatMulInteger"][:1]
    (levels,) = [one for one in proto.graph.initializer if one.name == node.input[1]]
    levels.name = node.input[1] = "unknown"
    onnx.save(proto, path)
    with pytest.raises(OptionError, match=r"'large_face_encoder\.' .* differ in large_face_encoder\.net\.blocks\.0"):
        load_parts(model, [StartFrom(str(path), ["large_face_encoder."])])


def test_cad_small_is_stored_as_before(monkeypatch, rng, tmp_path):
    proto = linear_graph(rng.normal(size=(64, 32)).astype(np.float32), "model.audio_head.hidden.0.bias")
    store_weights_as(proto, tmp_path / "one.onnx", "int8")
    monkeypatch.setattr(integer_products, "LAYERS", ())
    store_weights_as(proto, tmp_path / "two.onnx", "int8")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.slow
@needs("clip")
def test_clip_in_integers_moves_logits_by_less_than_the_bound(tmp_path):
    """The published transformer on twelve parts of a photograph, and a line of random weights."""
    photograph = cv2.cvtColor(cv2.imread(str(DATA / "astronaut.jpg")), cv2.COLOR_BGR2RGB)
    places = [(top, left) for top in (0, 60, 120) for left in (60, 120, 180, 240)]
    crops = np.stack([cv2.resize(photograph[top : top + 240, left : left + 240], (160, 160)) for top, left in places])
    parts = judged_crops(published_net())
    with torch.no_grad():
        expected = parts(torch.from_numpy(crops)).numpy()
    path = tmp_path / "int8.onnx"
    store_weights_as(exported(parts), path, "int8")
    assert path.stat().st_size < 62e6
    session = opened(path, threads=1)
    found = np.concatenate([session.run(None, {"crops": crop[None]})[0] for crop in crops])
    assert 0 < np.sqrt(np.square(found - expected).mean()) < LOGIT_TOLERANCE
