# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import timm
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from tiny_cad import BASE_OPTIONS, tiny_base, windows
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cad.errors import WeightsError
from cad.models.encoders.whisper_hub import WhisperHub
from cad.models.pretrained.clip import CLIP_MODEL


@pytest.fixture
def model():
    return tiny_base()


def adapters(module):
    return [part for part in module.modules() if isinstance(part, BaseTunerLayer)]


def test_encoders_are_of_the_real_classes(model):
    assert isinstance(model.face_encoder.adapted.net, timm.models.vision_transformer.VisionTransformer)
    assert isinstance(model.speech_encoder.adapted.net, WhisperEncoder)
    # Query, key and value are one layer in timm and three in transformers; two blocks each.
    assert len(adapters(model.face_encoder)) == 2 * 2
    assert len(adapters(model.speech_encoder)) == 2 * 4


def test_only_adapters_and_heads_learn(model):
    learning = {name for name, p in model.named_parameters() if p.requires_grad and "encoder" in name}
    assert learning
    assert all(".lora_" in name for name in learning)


def test_shared_path_is_the_net_without_adapters(model):
    frames, _, present, _ = windows(1, 8)
    plain = timm.create_model(
        CLIP_MODEL,
        pretrained=False,
        num_classes=0,
        **BASE_OPTIONS["face_options"]["model_options"],
    ).eval()
    state = {
        name.replace(".base_layer.", "."): value
        for name, value in model.face_encoder.adapted.net.state_dict().items()
        if ".lora_" not in name
    }
    plain.load_state_dict(state)
    with torch.no_grad():
        shared, _ = model.face_encoder.shared(frames, present)
        specific, _ = model.face_encoder(frames, present)
        model.face_encoder.adapted.net = plain
        expected, _ = model.face_encoder(frames, present)
    torch.testing.assert_close(shared, expected)
    assert (specific - shared).abs().max() > 1e-3


def test_one_copy_of_the_frozen_weights(model):
    plain = timm.create_model(
        CLIP_MODEL,
        pretrained=False,
        num_classes=0,
        **BASE_OPTIONS["face_options"]["model_options"],
    )
    frozen = sum(p.numel() for n, p in model.face_encoder.named_parameters() if ".lora_" not in n)
    assert frozen == sum(p.numel() for p in plain.parameters())


def test_speech_paths_differ_by_the_adapters(model):
    encoder = model.speech_encoder
    mel = torch.randn(1, 80, 32)
    with torch.no_grad():
        shared = encoder.encode(mel)
        specific = encoder.encode_specific(mel, shared)
        for adapter in adapters(encoder):
            for weight in adapter.lora_B.parameters():
                weight.zero_()
        torch.testing.assert_close(encoder.encode_specific(mel, shared), shared)
    assert (specific - shared).abs().max() > 1e-3


def test_speech_on_its_full_length_equals_transformers():
    options = {**BASE_OPTIONS["speech_options"]["model_options"], "max_source_positions": 100}
    encoder = WhisperHub(model_options=options, rank=2).eval()
    mel = torch.randn(1, 80, 200)
    with torch.no_grad(), encoder.adapted.passed_by():
        expected = encoder.adapted.net(mel).last_hidden_state
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode(mel), expected, rtol=1e-4, atol=1e-4)


def test_gradients_reach_the_adapters_and_nothing_frozen(model):
    model.train()
    output = model(*windows())
    (output.video_logit.sum() + output.audio_logit.sum()).backward()
    moved = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.any() and "encoder" in name]
    assert any(name.startswith("face_encoder") for name in moved)
    assert any(name.startswith("speech_encoder") for name in moved)
    assert all(".lora_" in name for name in moved)


def test_adapters_are_on_again_after_an_error(model):
    encoder = model.face_encoder
    with pytest.raises(RuntimeError), encoder.adapted.passed_by():
        raise RuntimeError
    assert not any(adapter.disable_adapters for adapter in adapters(encoder))


def test_base_weights_load_under_their_own_names(model):
    plain = timm.create_model(
        CLIP_MODEL,
        pretrained=False,
        num_classes=0,
        **BASE_OPTIONS["face_options"]["model_options"],
    )
    adapted = model.face_encoder.adapted
    before = {name: value.clone() for name, value in adapted.net.state_dict().items() if ".lora_" in name}
    adapted.load_base(plain.state_dict(), "a test")
    after = adapted.net.state_dict()
    torch.testing.assert_close(after["blocks.0.attn.qkv.base_layer.weight"], plain.blocks[0].attn.qkv.weight)
    for name, value in before.items():
        assert torch.equal(after[name], value)
    state = plain.state_dict()
    state.pop("cls_token")
    with pytest.raises(WeightsError, match="cls_token"):
        adapted.load_base(state, "a test")


@pytest.mark.slow
def test_full_size_takes_one_step():
    """The architecture of the paper's encoders with random weights, forward and backward once."""
    from cad.models import create_model

    model = create_model("cad_base").train()
    parameters = sum(p.numel() for p in model.parameters())
    assert 105e6 < parameters < 125e6
    output = model(*windows(1, 50))
    (output.fused_logit.sum() + output.video_logit.sum() + output.audio_logit.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
