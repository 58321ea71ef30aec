# SPDX-License-Identifier: Apache-2.0
"""Every precision of an exported graph: it loads, says nearly the same, and computes as its name says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tiny_cad import tiny_small
from tool_module import load_tool

from cad.errors import ExportError, OptionError
from cad.export import calibration_clips, checkpoint, integer_products
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.export.parity import parity_cases
from cad.export.precision import DTYPES, PRECISION_KEY, store_weights_as
from cad.export.static_int8 import (
    ACTIVATION_LEVELS,
    activation_levels,
    channel_levels,
    measure_ranges,
    multiply_by_ranges,
    plan_of,
)
from cad.export.widening import widened
from cad.models import save_checkpoint
from cad.runtime.scorer import Scorer
from cad.spec import OUTPUTS
from cad.weights.registry import read_entry

#: By how much an output of the tiny net may move from float32's, and the share of its bytes that the file may take.
LIMITS = {
    "fp32": (1e-4, 1.01),
    "fp16": (0.02, 0.65),
    "fp16_compute": (0.1, 0.8),
    "int8": (0.5, 0.5),
    "int8_static": (0.5, 0.5),
}
FEW = {"lip_options": {"width": 32, "stages": (4, 8), "temporal_blocks": 1}}
CASES = [case for case in parity_cases() if case[0] in ("noise 1x75", "silence 1x1", "no sound 1x1")]
to_onnx, to_precision = (load_tool(f"../export/{name}").main for name in ("to_onnx", "to_precision"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(7)
    return tiny_small(**FEW)


@pytest.fixture(scope="module")
def proto(model) -> onnx.ModelProto:
    return export_graph(model, spec_of(model.config, "tiny", {}))


@pytest.fixture(scope="module")
def ranges(proto):
    return measure_ranges(proto, plan_of(proto.graph).tensors, (inputs for _, inputs in CASES))


@pytest.fixture(scope="module")
def files(proto, ranges, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("precisions")
    for dtype in DTYPES:
        store_weights_as(proto, folder / f"{dtype}.onnx", dtype, ranges if dtype == "int8_static" else None)
    return {dtype: folder / f"{dtype}.onnx" for dtype in DTYPES}


def run(model: bytes | Path, inputs) -> list[np.ndarray]:
    given = model if isinstance(model, bytes) else model.read_bytes()
    session = onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])
    return session.run(list(OUTPUTS), inputs)


def moves(one: Path, other: Path) -> float:
    """Return the largest difference of any logit."""
    names = [name for name in OUTPUTS if name.endswith("logit")]
    pairs = [(run(one, inputs), run(other, inputs)) for _, inputs in CASES]
    return max(float(np.abs(a[i] - b[i]).max()) for a, b in pairs for i in range(len(names)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_loads_and_says_nearly_the_same(files, dtype):
    limit, share = LIMITS[dtype]
    assert onnx.checker.check_model(onnx.load(files[dtype]), full_check=True) is None
    moved = moves(files["fp32"], files[dtype])
    assert moved <= limit and (dtype == "fp32") == (moved == 0.0)
    scorer = Scorer(str(files[dtype]), threads=1)
    assert scorer.spec.name == "tiny"
    # The spectrum's constants are kept, and a large share of so small a net.
    assert weight_bytes(files[dtype]) <= share * weight_bytes(files["fp32"])


def weight_bytes(path: Path) -> int:
    tensors = onnx.load(path).graph.initializer
    return sum(len(tensor.raw_data) for tensor in tensors if "log_mel." not in tensor.name)


def test_static_int8_is_computed_on_levels(files, proto, tmp_path):
    """The runtime makes integer kernels of every convolution that is meant, and of no other."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(files["int8_static"].read_bytes(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx", load_external_data=False).graph.node]
    plan = plan_of(proto.graph)
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    assert 0 < len(plan.convolutions) < len(convolutions)
    assert kinds.count("QLinearConv") == len(plan.convolutions)
    assert kinds.count("QLinearAdd") == len(plan.sums)
    assert all("face_encoder.conv_stem" not in node.input[1] for node in plan.convolutions.values())


def test_static_int8_without_ranges_is_refused(proto, tmp_path):
    with pytest.raises(OptionError, match="--calibrate-on"):
        store_weights_as(proto, tmp_path / "m.onnx", "int8_static")
    bare = helper.make_model(helper.make_graph([], "none", [], []))
    with pytest.raises(OptionError, match="no convolutions"):
        store_weights_as(bare, tmp_path / "m.onnx", "int8_static", {})
    assert not (tmp_path / "m.onnx").exists()


def test_float16_leaves_the_spectrum_and_the_heads_in_float32(files, proto):
    """Eleven bits would make minus infinity of a quiet spectrum's logarithm."""
    graph = onnx.load(files["fp16_compute"]).graph
    layers = {node.input[1]: node.input[0] for node in graph.node if node.op_type == "Conv"}
    narrow = {name: given.endswith(".half") for name, given in layers.items()}
    assert all(narrow[name] for name in narrow if "face_encoder." in name or "lip_encoder." in name)
    assert not any(narrow[name] for name in narrow if "log_mel." in name or ".align." in name)
    assert len(set(narrow.values())) == 2
    (log,) = [node for node in graph.node if node.op_type == "Log" and not node.output[0].endswith(".half")][:1]
    assert not log.input[0].endswith(".half")
    for kept, given in ((graph.input, proto.graph.input), (graph.output, proto.graph.output)):
        assert [(one.name, one.type) for one in kept] == [(one.name, one.type) for one in given]


def test_stored_weights_are_widened_back(files, proto):
    own = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for dtype in ("fp32", "fp16", "int8"):
        back = widened(onnx.load(files[dtype]))
        found = {tensor.name: numpy_helper.to_array(tensor) for tensor in back.graph.initializer}
        assert found.keys() <= own.keys()
        assert {value.dtype for value in found.values()} <= {np.dtype(np.float32), np.dtype(np.int64)} | {
            value.dtype for value in own.values()
        }
        step = {"fp32": 0.0, "fp16": 2**-11, "int8": 1 / 254}[dtype]
        for name, value in found.items():
            if value.dtype == np.float32 and value.size:
                assert np.abs(value - own[name]).max() <= 1.01 * step * np.abs(own[name]).max() + 1e-7, name
        (_, inputs) = CASES[0]
        for a, b in zip(run(back.SerializeToString(), inputs), run(files[dtype], inputs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_integer_products_are_widened_back(rng):
    """To a plain product with the matrix that the levels stand for."""
    matrix = rng.normal(size=(16, 8)).astype(np.float32)
    bias = f"{integer_products.LAYERS[0]}0.mlp.fc1.bias"
    tensors = [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(np.ones(8, np.float32), bias)]
    nodes = [helper.make_node("MatMul", ["given", "matrix"], ["product"])]
    nodes.append(helper.make_node("Add", ["product", bias], ["result"]))
    axes = {"given": [None, 5, 16], "result": [None, 5, 8]}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axis) for name, axis in axes.items()]
    graph = helper.make_graph(nodes, "linear", values[:1], values[1:], tensors)
    stored = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert integer_products.multiply_in_integers(stored.graph) == 1
    back = widened(stored)
    assert sorted(node.op_type for node in back.graph.node) == ["Add", "MatMul"]
    (found,) = [numpy_helper.to_array(one) for one in back.graph.initializer if one.name != bias]
    assert 0 < np.abs(found - matrix).max() <= np.abs(matrix).max() / 254 * 1.01
    given = rng.normal(size=(3, 5, 16)).astype(np.float32)
    np.testing.assert_allclose(run_plain(back, given), run_plain(stored, given), atol=0.2)


def conv_graph(weights: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """Return ``Clip(Conv(given) + bias, 0, 6)`` twice, added up."""
    held = {"layer.one": weights, "layer.two": weights, "bias": bias, "low": np.float32(0), "high": np.float32(6)}
    nodes = []
    for name in ("one", "two"):
        nodes.append(helper.make_node("Conv", ["given", f"layer.{name}", "bias"], [f"{name}.raw"], pads=[1] * 4))
        nodes.append(helper.make_node("Clip", [f"{name}.raw", "low", "high"], [name]))
    nodes.append(helper.make_node("Add", ["one", "two"], ["sum"]))
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, [None, weights.shape[1], 8, 8])
    result = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, len(weights), 8, 8])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "layers", [given], [result], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run_plain(proto: onnx.ModelProto, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"given": given})[0]


def test_levels_hold_what_was_measured(rng):
    weights = (
        rng.normal(size=(5, 3, 3, 3)).astype(np.float32)
        * np.array([1, 10, 0.1, 1e-12, 0], np.float32)[:, None, None, None]
    )
    bias = np.array([0, 1, -1, 2, 3], np.float32)
    proto, given = conv_graph(weights, bias), rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    expected = run_plain(proto, given)
    plan = plan_of(proto.graph, ("layer.",))
    assert (len(plan.convolutions), len(plan.bounds), len(plan.sums)) == (2, 2, 1)
    ranges = measure_ranges(proto, plan.tensors, [{"given": half[None]} for half in given])
    assert ranges["given"] == (pytest.approx(given.min()), pytest.approx(given.max()))
    assert ranges["sum"][1] == pytest.approx(expected.max())
    multiply_by_ranges(proto.graph, plan, ranges)
    onnx.checker.check_model(proto)
    found = run_plain(proto, given)
    # Half a level of the input and of each channel's own weights, and those of the results, is all that is lost.
    flat, input_step = np.abs(weights.reshape(5, -1)), np.ptp(given) / ACTIVATION_LEVELS
    lost = input_step / 2 * flat.sum(1) + flat.max(1) / 254 * np.abs(given).max() * flat.shape[1]
    limit = 2 * lost + 2 * 12 / ACTIVATION_LEVELS
    assert np.abs(found - expected).max() > 0
    assert (np.abs(found - expected).max(axis=(0, 2, 3)) <= limit).all()
    # Channels whose weights are next to nothing keep their bias.
    np.testing.assert_allclose(found[:, 3:], expected[:, 3:], atol=12 / ACTIVATION_LEVELS)


def test_ranges_need_clips_and_numbers(rng):
    proto = conv_graph(rng.normal(size=(2, 3, 3, 3)).astype(np.float32), np.zeros(2, np.float32))
    with pytest.raises(ExportError, match="no clip"):
        measure_ranges(proto, ["sum"], [])
    with pytest.raises(ExportError, match="not finite"):
        measure_ranges(proto, ["given"], [{"given": np.full((1, 3, 8, 8), np.nan, np.float32)}])


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 6.0), (-3.0, 5.0), (2.0, 4.0), (-4.0, -1.0), (0.0, 0.0)])
def test_zero_is_a_level_and_the_ends_are_within_reach(lowest, highest):
    step, zero = activation_levels(lowest, highest)
    ends = (np.array([0, ACTIVATION_LEVELS]) - int(zero)) * step
    assert step > 0 and ends[0] <= min(lowest, 0) + step / 2 and ends[1] >= max(highest, 0) - step / 2


def test_a_channels_steps_are_wide_enough_for_its_bias():
    levels, steps = channel_levels(np.array([[2.0, -1.0], [1e-20, 0.0]], np.float32), np.array([0.0, 0.5], np.float32))
    assert levels.tolist() == [[127, -64], [0, 0]] and steps[1] == 0.5


@pytest.fixture
def without_media(monkeypatch):
    """Ranges come from made windows, in place of a manifest's clips."""
    monkeypatch.setattr(calibration_clips, "face_feeds", lambda manifest, spec: (inputs for _, inputs in CASES))


def test_a_checkpoint_becomes_a_folder_in_static_int8(model, proto, tmp_path, without_media, monkeypatch, capsys):
    save_checkpoint(model, tmp_path / "tiny.safetensors")
    monkeypatch.setattr(checkpoint, "export_graph", lambda model, spec: proto)  # which takes seconds
    words = [str(tmp_path / "tiny.safetensors"), "-o", str(tmp_path / "tiny"), "--dtype", "int8_static"]
    assert to_onnx([*words, "--calibrate-on", "clips.csv"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / "tiny" / "model.onnx").stat().st_size
    assert "multiply in integers" in read_entry(tmp_path / "tiny").manifest["precision"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dtype", "int8_static"], "--calibrate-on"),
        (["--dtype", "int8", "--calibrate-on", "clips.csv"], "only int8_"),
    ],
)
def test_clips_are_named_where_they_are_needed_and_only_there(files, tmp_path, capsys, words, says):
    for tool in (to_onnx, to_precision):
        assert tool([str(files["fp32"]), "-o", str(tmp_path / "m.onnx"), *words]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and says in err and list(tmp_path.iterdir()) == []


def test_a_file_is_written_in_another_precision(files, tmp_path, without_media, capsys):
    """And from there in a third, which is the same as straight from float32: what was rounded once stays as it is."""
    for dtype in ("int8", "int8_static", "fp16_compute"):
        words = ["--dtype", dtype, "--name", "tiny", *(["--calibrate-on", "clips.csv"] if "static" in dtype else [])]
        assert to_precision([str(files["int8"]), "-o", str(tmp_path / f"{dtype}.onnx"), *words]) == 0
        report = json.loads(capsys.readouterr().out)
        assert set(report["differs_from_float32"]) == set(OUTPUTS)
        assert (max(one["most"] for one in report["differs_from_float32"].values()) == 0.0) == (dtype == "int8")
        props = {one.key: one.value for one in onnx.load(tmp_path / f"{dtype}.onnx").metadata_props}
        assert props[PRECISION_KEY] == dtype
    assert moves(files["int8"], tmp_path / "int8.onnx") == 0.0


@pytest.mark.parametrize("dtype", ["fp16_compute", "int8_static"])
def test_what_computes_in_fewer_bits_is_no_beginning(files, tmp_path, capsys, dtype):
    assert to_precision([str(files[dtype]), "-o", str(tmp_path / "m.onnx"), "--dtype", "fp32"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "computes in fewer bits" in err and list(tmp_path.iterdir()) == []
