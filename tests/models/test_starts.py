# SPDX-License-Identifier: Apache-2.0
"""Starting weights are found on this machine or said to be missing at once; each form of file gives the same tower."""

from __future__ import annotations

import re
import socket
import time

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from requirements import needs
from safetensors.torch import save_file
from test_pretrained import ctranslate2_file, ctranslate2_variables, reference  # noqa: F401 (a fixture)
from tiny_cad import BASE_OPTIONS
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from cad.errors import OptionError, WeightsError, WeightsNotFoundError
from cad.models import create_model
from cad.models.encoders.clip import ClipFace
from cad.models.encoders.efficientnet import EfficientNetFace
from cad.models.pretrained import clip, packages, starts
from cad.models.pretrained.clip import CLIP_MODEL, clip_state, onnx_tensors
from cad.models.pretrained.whisper import whisper_encoder_state

TOWER = {**BASE_OPTIONS["large_face_options"]["model_options"], "depth": 2}


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """No package with weights, an empty cache, and a network that nobody may ask."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(starts.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(starts, "try_to_load_from_cache", lambda repository, file: None)


@pytest.fixture
def tower():
    """A small CLIP of transformers, which has its own tower and projection."""
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=8,
    )  # fmt: skip
    model = CLIPVisionModelWithProjection(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2)
    return model


def loaded(path) -> torch.nn.Module:
    net = timm.create_model(CLIP_MODEL, num_classes=0, **TOWER).eval()
    net.load_state_dict(clip_state(path))
    return net


def check_same(net, tower, tolerance: float = 1e-4) -> None:
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = tower.vision_model(images).pooler_output
        torch.testing.assert_close(net(images), expected, rtol=tolerance, atol=tolerance)


def test_a_folder_of_the_hub_gives_the_same_tower(tower, tmp_path):
    """The same numbers, thus also the same activation."""
    tower.save_pretrained(tmp_path / "clip")
    check_same(loaded(tmp_path / "clip"), tower)
    check_same(loaded(tmp_path / "clip" / "model.safetensors"), tower)


def test_timms_own_file_is_taken_as_it_is(tower, tmp_path):
    tower.save_pretrained(tmp_path / "clip")
    save_file(loaded(tmp_path / "clip").state_dict() | {"head.weight": torch.ones(3)}, tmp_path / "timm.safetensors")
    check_same(loaded(tmp_path / "timm.safetensors"), tower)


def int8_onnx(tower) -> bytes:
    """A graph with a tower's weights as a quantised export holds them: matrices nameless, transposed, in int8."""
    nodes, held = [], []
    for number, (name, value) in enumerate(tower.state_dict().items()):
        if name.endswith(".weight") and value.ndim == 2 and "embedding" not in name:
            matrix = value.numpy().T
            scale = np.abs(matrix).max(0) / 127
            zero = np.full(matrix.shape[1], number % 3, np.int8)
            levels = np.clip(np.rint(matrix / scale) + zero, -128, 127).astype(np.int8)
            parts = {"quantized": levels, "scale": scale.astype(np.float32), "zero_point": zero}
            held += [numpy_helper.from_array(part, f"m{number}_{kind}") for kind, part in parts.items()]
            layer = re.sub(r"\.(?!\d)", "/", name.removesuffix(".weight"))
            nodes.append(
                helper.make_node(
                    "MatMulInteger", ["x", f"m{number}_quantized"], [f"y{number}"], f"/{layer}/MatMul_quant"
                )
            )
        else:
            held.append(numpy_helper.from_array(value.numpy(), name))
    graph = helper.make_graph(nodes, "tower", [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 32])], [], held)
    return helper.make_model(graph).SerializeToString()


def test_an_int8_export_is_read_back(tower, tmp_path):
    (tmp_path / "clip.onnx").write_bytes(int8_onnx(tower))
    net, kept = loaded(tmp_path / "clip.onnx"), tower.state_dict()
    mlp = kept["vision_model.encoder.layers.1.mlp.fc1.weight"]
    assert (net.blocks[1].mlp.fc1.weight - mlp).abs().max() < 0.02 * mlp.abs().max()
    torch.testing.assert_close(net.norm.weight, kept["vision_model.post_layernorm.weight"])


@pytest.mark.parametrize("content", [b"", b"no weights", onnx.ModelProto().SerializeToString()])
def test_a_file_that_is_none_says_so(tmp_path, content):
    for name in ("clip.onnx", "clip.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=name):
            clip_state(tmp_path / name)


def test_whisper_by_every_form_of_file(reference, tmp_path):  # noqa: F811
    variables = ctranslate2_variables(reference) | {
        "encoder/position_encodings/encodings": reference.embed_positions.weight.detach().numpy(),
        "encoder/layer_norm/gamma": reference.layer_norm.weight.detach().numpy(),
        "encoder/layer_norm/beta": reference.layer_norm.bias.detach().numpy(),
    }
    (tmp_path / "ct2").mkdir()
    (tmp_path / "ct2" / "model.bin").write_bytes(ctranslate2_file(variables))
    whole = {f"model.encoder.{name}": value.contiguous() for name, value in reference.state_dict().items()}
    save_file(whole | {"model.decoder.layer_norm.weight": torch.ones(2)}, tmp_path / "hub.safetensors")
    for path in (tmp_path / "ct2", tmp_path / "ct2" / "model.bin", tmp_path / "hub.safetensors"):
        state = whisper_encoder_state(path)
        assert state.keys() == reference.state_dict().keys(), path
        for name, value in reference.state_dict().items():
            torch.testing.assert_close(state[name], value, msg=f"{path} {name}")


@pytest.mark.parametrize("name", ["cad_base", "clip_probe"])
def test_what_is_missing_is_said_at_once_and_nothing_is_fetched(bare_machine, name):
    start = time.monotonic()
    with pytest.raises(WeightsNotFoundError, match=r"CLIP ViT-B/16 is not on this machine.*init_args\.clip"):
        create_model(name, pretrained=True)
    assert time.monotonic() - start < 1.0


def test_whisper_small_is_in_no_package(bare_machine, tmp_path):
    (tmp_path / "clip").mkdir()
    with pytest.raises(WeightsNotFoundError, match=r"Whisper small is not on this machine: name a file.*whisper"):
        create_model(
            "cad_base", pretrained=True, starts={"clip": tmp_path / "clip"}, speech_encoder="whisper_hub",
            speech_options={"size": "small"},
        )  # fmt: skip


def test_cad_base_begins_from_named_files(bare_machine, tower, reference, tmp_path, monkeypatch):  # noqa: F811
    """The first block of a tower of two, its last norm twice, and the paper's whole speech encoder."""
    monkeypatch.setattr(EfficientNetFace, "load_pretrained", lambda self, starts: None)  # comes in a package alone
    tower.save_pretrained(tmp_path / "clip")
    save_file(
        {f"encoder.{name}": value.contiguous() for name, value in reference.state_dict().items()},
        tmp_path / "w.safetensors",
    )
    speech = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 128}
    options = {
        **BASE_OPTIONS,
        "large_face_options": {**BASE_OPTIONS["large_face_options"], "blocks": 1},
        "speech_encoder": "whisper_hub",
        "speech_options": {"model_options": speech | {"max_source_positions": 100}, "rank": 2},
    }
    given = {"clip": tmp_path / "clip", "whisper": tmp_path / "w.safetensors"}
    model = create_model("cad_base", pretrained=True, starts=given, **options)
    encoder, theirs = model.large_face_encoder, tower.state_dict()
    assert len(encoder.net.blocks) == 1
    found = encoder.net.state_dict()["blocks.0.attn.qkv.weight"][:32]
    torch.testing.assert_close(found, theirs["vision_model.encoder.layers.0.self_attn.q_proj.weight"])
    for norm in (encoder.class_norm, encoder.patch_norm):
        torch.testing.assert_close(norm.weight, theirs["vision_model.post_layernorm.weight"])
    found = model.speech_encoder.adapted.net.state_dict()["layers.2.fc1.weight"]
    torch.testing.assert_close(found, reference.layers[2].fc1.weight)


def test_a_tower_with_too_few_blocks_is_refused(tower, tmp_path):
    tower.save_pretrained(tmp_path / "clip")
    encoder = ClipFace(model_options=BASE_OPTIONS["large_face_options"]["model_options"], blocks=3)
    with pytest.raises(WeightsError, match=r"missing \['blocks\.2\."):
        encoder.load_pretrained({"clip": tmp_path / "clip"})


def test_another_size_is_refused_by_shape(bare_machine, tower, tmp_path):
    tower.save_pretrained(tmp_path / "clip")
    with pytest.raises(WeightsError, match="other shape"):
        create_model(
            "clip_probe", pretrained=True, starts={"clip": tmp_path / "clip"}, size_px=32,
            model_options={**TOWER, "embed_dim": 64},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "pretrained", "says"),
    [
        ("cad_small", "clip", True, "no part that begins from clip"),
        ("meso4", "imagenet", True, "nothing that can be named"),
        ("cad_base", "imagenet", True, "it can begin from clip"),
        ("clip_probe", "clip", False, "pretrained is off"),
    ],
)
def test_what_nothing_begins_from_is_refused(tmp_path, name, given, pretrained, says):
    with pytest.raises(OptionError, match=says):
        create_model(name, pretrained=pretrained, starts={given: tmp_path})


def test_a_path_that_is_not_there_is_named(bare_machine, tmp_path):
    with pytest.raises(WeightsNotFoundError, match="there is no file or folder"):
        create_model("clip_probe", pretrained=True, starts={"clip": tmp_path / "nowhere"})


def test_xception_begins_at_random_and_says_so(bare_machine, caplog):
    create_model("xception", pretrained=True, size_px=80)
    assert "Xception on ImageNet is not on this machine" in caplog.text


@needs("clip")
def test_clip_loads_from_its_package():
    """Its int8 matrices, widened, say what its own graph says of a picture."""
    content = packages.package_bytes(clip.PARTS, clip.SHA256, clip.INSTALL)
    session = onnxruntime.InferenceSession(content)
    net = timm.create_model(CLIP_MODEL, num_classes=0).eval()
    net.load_state_dict(clip_state())
    rows = torch.arange(224).reshape(1, 1, 224, 1) / 224
    images = torch.sin(20 * rows * torch.linspace(1, 3, 224) + torch.tensor([0.0, 1.0, 2.0]).reshape(1, 3, 1, 1))
    (theirs,) = session.run(["image_embeds"], {"pixel_values": images.numpy()})
    projection = onnx_tensors(content, clip.INSTALL)["visual_projection.weight"]
    with torch.no_grad():
        ours = net(images) @ projection.T
    assert torch.nn.functional.cosine_similarity(ours, torch.from_numpy(theirs)).item() > 0.97
