# SPDX-License-Identifier: Apache-2.0
"""One small network of the family goes all the way: checkpoint, graph, file, ONNX Runtime, parity."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_cad import tiny_base, tiny_small
from tool_module import load_tool

from cad.errors import ParityError
from cad.export import checkpoint as checkpoint_module
from cad.export.parity import SHAPES, check_parity, parity_cases
from cad.export.precision import quantize, store_weights_as
from cad.models import load_checkpoint, save_checkpoint
from cad.spec import INPUTS, METADATA_KEY, OUTPUTS, ModelSpec

main = load_tool("../export/to_onnx").main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("export") / "tiny.safetensors"
    # As few layers as show every kind of them: tracing costs time for each.
    few = {"lip_options": {"width": 32, "stages": (4, 8), "temporal_blocks": 1}}
    save_checkpoint(tiny_small(**few), path, {"trained_on": "nothing", "commit": "abc"})
    return path


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert main([str(checkpoint), "-o", str(path), "--name", "tiny_1"]) == 0
    return path


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_checkpoint(checkpoint)[0]


def rewritten(exported: Path, folder: Path, change) -> Path:
    proto = onnx.load(exported)
    change(proto)
    path = folder / "changed.onnx"
    onnx.save(proto, path)
    return path


def test_says_the_same_as_its_source(exported, model, tmp_path):
    differences = check_parity(model, exported)
    assert [item.output for item in differences] == list(OUTPUTS)
    assert all(item.share_of_tolerance <= 1.0 for item in differences)


def test_cases_would_show_a_difference(model):
    """Parity means something only where the outputs are not all zero."""
    cases = dict(parity_cases())
    assert len({name.split()[-1] for name in cases}) == len(SHAPES) == 3
    with torch.inference_mode():
        output = model(*(torch.from_numpy(value) for value in cases["noise 3x37"].values()))
    for name in OUTPUTS:
        assert getattr(output, name).abs().min() > 1e-3, name


def test_the_spec_travels_inside(exported):
    metadata = onnxruntime.InferenceSession(exported).get_modelmeta().custom_metadata_map
    spec = ModelSpec.from_json(metadata[METADATA_KEY])
    assert (spec.name, spec.trained_on, spec.commit) == ("tiny_1", "nothing", "abc")
    assert (spec.window_frames, spec.min_frames) == (50, 10)
    assert spec.calibration == spec.operating_points == {}  # nothing was measured yet


def test_nothing_of_the_machine_is_inside(exported):
    content = exported.read_bytes()
    for folder in (Path(torch.__file__).parent.parent, Path(checkpoint_module.__file__).parents[2]):
        assert str(folder).encode() not in content


def test_no_matrix_product_with_a_vector(exported):
    """ONNX Runtime multiplies it out row by row, at fifty times the cost of the same sum by columns."""
    graph = onnx.load(exported).graph
    vectors = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 1}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    assert products
    assert [node.name for node in products if vectors & set(node.input)] == []


def test_long_and_single_slot_windows_run(exported):
    session = onnxruntime.InferenceSession(exported)
    for time in (1, 2, 130):
        ones = np.ones((1, time), np.float32)
        frames, audio = np.zeros((1, time, 160, 160, 3), np.uint8), np.zeros((1, time * 640), np.float32)
        found = session.run(None, dict(zip(INPUTS, (frames, audio, ones, ones), strict=True)))
        assert found[list(OUTPUTS).index("video_frame_logits")].shape == (1, time)


def test_other_weights_are_noticed(exported, model):
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.align.lip_in[0].weight.mul_(1.1)
    with pytest.raises(ParityError, match="sync"):
        check_parity(changed, exported)


def test_other_names_are_noticed(exported, model, tmp_path):
    def rename(proto):
        old = proto.graph.output[0].name
        proto.graph.output[0].name = "verdict"
        for node in proto.graph.node:
            node.output[:] = ["verdict" if name == old else name for name in node.output]
            node.input[:] = ["verdict" if name == old else name for name in node.input]

    with pytest.raises(ParityError, match="outputs must be"):
        check_parity(model, rewritten(exported, tmp_path, rename))


def test_fixed_axes_are_noticed(exported, model, tmp_path):
    def fix(proto):
        proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 50

    with pytest.raises(ParityError, match=r"axes \[1\] of frames must be free"):
        check_parity(model, rewritten(exported, tmp_path, fix))


@pytest.mark.parametrize(("dtype", "share", "limit"), [("fp16", 0.62, 0.02), ("int8", 0.45, 0.5)])
def test_weights_in_fewer_bits(exported, model, tmp_path, dtype, share, limit):
    path = tmp_path / f"{dtype}.onnx"
    store_weights_as(onnx.load(exported), path, dtype)
    differences = check_parity(model, path, strict=False)
    assert 0.0 < max(item.absolute for item in differences) < limit
    assert weight_bytes(path) < share * weight_bytes(exported)


def weight_bytes(path: Path) -> int:
    """Bytes of the weights that are narrowed; the spectrogram's constants are kept."""
    tensors = onnx.load(path).graph.initializer
    return sum(len(tensor.raw_data) for tensor in tensors if "log_mel." not in tensor.name)


def test_quantising_errs_by_half_a_level_at_most(rng):
    values = rng.normal(size=(5, 7, 3)).astype(np.float32) * np.array([1, 10, 0, 0.1, 5], np.float32)[:, None, None]
    levels, scales = quantize(values, axis=0)
    assert levels.dtype == np.int8
    assert (np.abs(levels * scales - values) <= scales / 2 + 1e-6).all()


def test_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.safetensors")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "there is no checkpoint" in captured.err


def test_a_file_that_fails_is_not_left(checkpoint, tmp_path, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise ParityError("worst difference 1.0")

    monkeypatch.setattr(checkpoint_module, "export_graph", lambda model, spec: onnx.ModelProto())
    monkeypatch.setattr(checkpoint_module, "store_weights_as", lambda graph, path, dtype: path.write_bytes(b"graph"))
    monkeypatch.setattr(checkpoint_module, "check_parity", fail)
    assert main([str(checkpoint), "-o", str(tmp_path / "m.onnx")]) == 2
    assert "worst difference" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_base_exports_too(tmp_path, capsys):
    save_checkpoint(tiny_base(), tmp_path / "base.safetensors")
    assert main([str(tmp_path / "base.safetensors"), "-o", str(tmp_path / "base.onnx")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert all(item["share_of_tolerance"] <= 1.0 for item in report["worst"])
