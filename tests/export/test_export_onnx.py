# SPDX-License-Identifier: Apache-2.0
"""One small network of the family goes all the way: checkpoint, graph, file, ONNX Runtime, parity."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made_media import RED, stand_in_for_faces, talk, write_video
from tiny_baselines import tiny_baseline
from tiny_cad import tiny_base, tiny_small
from tool_module import load_tool

from cad.detector import Detector
from cad.errors import ParityError
from cad.export import checkpoint as checkpoint_module
from cad.export import weights_folder as folder_module
from cad.export.parity import SHAPES, check_parity, parity_cases
from cad.export.precision import quantize, store_weights_as
from cad.export.weights_folder import export_folder
from cad.models import load_checkpoint, save_checkpoint
from cad.runtime.scorer import Scorer
from cad.spec import HEADS, INPUTS, METADATA_KEY, OUTPUTS, ModelSpec
from cad.verdict.judge import judge
from cad.weights.registry import read_entry

main = load_tool("../export/to_onnx").main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("export") / "tiny.safetensors"
    # As few layers as show every kind of them: tracing costs time for each.
    few = {
        "lip_options": {"width": 32, "stages": (4, 8), "temporal_blocks": 1},
        "voice_change": True,
        "voice_members": 2,
    }
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
    assert spec.calibration == spec.operating_points == {} and spec.heads == HEADS


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
    assert main([str(tmp_path / "none.safetensors")]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "there is no checkpoint" in captured.err


def test_a_file_that_fails_is_not_left(checkpoint, tmp_path, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise ParityError("worst difference 1.0")

    monkeypatch.setattr(checkpoint_module, "export_graph", lambda model, spec: onnx.ModelProto())
    monkeypatch.setattr(checkpoint_module, "store_weights_as", lambda graph, path, *how: path.write_bytes(b"graph"))
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


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """The folder of a run whose best weights are a net that only sees."""
    folder = tmp_path_factory.mktemp("runs") / "fav"
    (folder / "best").mkdir(parents=True)
    torch.manual_seed(7)
    save_checkpoint(tiny_baseline("meso4"), folder / "best" / "model.safetensors", {"trained_on": "nothing"})
    return folder


@pytest.fixture(scope="module")
def weights(run_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "fav_model"
    assert main([str(run_folder), "--output", str(folder)]) == 0
    return folder


def test_a_run_becomes_a_folder_that_the_detector_opens(weights):
    assert {path.name for path in weights.iterdir()} == {"model.onnx", "manifest.json"}
    assert [path.name for path in weights.parent.iterdir()] == ["fav_model"]
    entry = read_entry(weights)
    assert (entry.kind, entry.manifest["trained_on"], entry.manifest["default"]) == ("detector", "nothing", False)
    scorer = Scorer(str(weights), threads=1)
    assert (scorer.spec.name, scorer.spec.heads) == ("fav_model", ("video",))
    assert scorer.spec.calibration == scorer.spec.operating_points == {}


def test_a_net_that_only_sees_gives_no_verdict_on_sound_or_synchrony(weights, tmp_path, monkeypatch):
    """Through the whole product: what the model has no head for is missing, with its reason, and never out of sync."""
    stand_in_for_faces(monkeypatch)
    write_video(tmp_path / "clip.mp4", 2.4, RED, talk(2.4, 0.3))
    with Detector(model=str(weights)) as detector:
        analysis = detector.analyse(tmp_path / "clip.mp4")
        verdict = judge(analysis, detector.spec)
    assert analysis.clip_logits["video"] is not None
    assert [head for head in HEADS if analysis.clip_logits[head] is None] == ["fused", "audio", "sync"]
    assert verdict.probability_fake is None or verdict.probability_fake == verdict.streams["video"].probability_fake
    assert verdict.streams["sync"].probability_fake is None and verdict.streams["audio"].probability_fake is None
    codes = {reason.code for reason in verdict.reasons}
    assert {"no_audio_head", "no_sync_head"} <= codes and "out_of_sync" not in codes
    assert analysis.evidence.offsets_seconds == () and {part.stream for part in verdict.segments} <= {"video"}
    assert verdict.faces[0].probability_fake == verdict.streams["video"].probability_fake
    assert np.isnan(analysis.scores[0].logits["sync"]) and np.isnan(analysis.scores[0].frame_logits["audio"]).all()


def test_a_folder_of_ours_is_replaced_whole(weights, run_folder, tmp_path, monkeypatch):
    folder, good = tmp_path / "fav_model", (weights / "model.onnx").read_bytes()
    shutil.copytree(weights, folder)
    (folder / "model.onnx").write_bytes(b"old")
    monkeypatch.setattr(folder_module, "export_checkpoint", lambda checkpoint, output, *how: output.write_bytes(good))
    export_folder(run_folder, folder)
    assert (folder / "model.onnx").read_bytes() == good and Scorer(str(folder), threads=1).spec.heads == ("video",)

    def fail(checkpoint, output, *how):
        output.write_bytes(b"half")
        raise ParityError("worst difference 1.0")

    monkeypatch.setattr(folder_module, "export_checkpoint", fail)
    with pytest.raises(ParityError):
        export_folder(run_folder, folder)
    assert (folder / "model.onnx").read_bytes() == good
    assert [path.name for path in tmp_path.iterdir()] == ["fav_model"]


@pytest.mark.parametrize("held", ["CARD.md", "clip.mp4", "model.onnx"])
def test_what_is_not_ours_is_not_overwritten(weights, run_folder, tmp_path, capsys, held):
    folder = tmp_path / "mine"
    if held == "CARD.md":  # a release, with its card and golden vectors
        shutil.copytree(weights, folder)
    folder.mkdir(exist_ok=True)
    (folder / held).write_bytes(b"mine")
    assert main([str(run_folder), "-o", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"it holds {held}" in err and (folder / held).read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("checkpoint", "output", "code", "says"),
    [
        ("nowhere", "m", 4, "there is no checkpoint"),
        ("empty", "m", 4, "neither best/model.safetensors nor model.safetensors"),
        ("text.safetensors", "m", 4, "is not a safetensors file"),
        ("fav", "text.safetensors", 2, "is not a folder that was exported here"),
        ("fav", "folder.onnx", 2, "is a folder"),
    ],
)
def test_mistakes_are_one_line(run_folder, tmp_path, capsys, checkpoint, output, code, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "text.safetensors").write_text("no tensors")
    (tmp_path / "fav").symlink_to(run_folder)
    before = sorted(tmp_path.iterdir())
    assert main([str(tmp_path / checkpoint), "-o", str(tmp_path / output)]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and says in captured.err
    assert sorted(tmp_path.iterdir()) == before


def test_weights_keep_their_names_in_the_graph(exported, model):
    """A net can begin from an exported file: matrices and kernels are there under the network's own names."""
    state = model.state_dict()
    tensors = onnx.load(exported).graph.initializer
    held = {tensor.name.removeprefix("model."): onnx.numpy_helper.to_array(tensor) for tensor in tensors}
    same = [name for name in held if name in state and np.array_equal(held[name], state[name].numpy())]
    assert len([name for name in same if name.startswith("speech_encoder.")]) >= 10
    assert "align.prototypes.weight" not in held  # what no output needs is not exported
    assert "lip_encoder.project.2.weight" in same


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xception", "aasist_l", "clip_probe"])
def test_baselines_export_too(tmp_path, capsys, name):
    torch.manual_seed(0)  # with some starts silence makes ties among AASIST's nodes, of which either may be pooled
    save_checkpoint(tiny_baseline(name), tmp_path / "net.safetensors")
    assert main([str(tmp_path / "net.safetensors"), "-o", str(tmp_path / "net")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert all(item["share_of_tolerance"] <= 1.0 for item in report["worst"])
    assert Scorer(str(tmp_path / "net"), threads=1).spec.heads == (("audio",) if name == "aasist_l" else ("video",))
