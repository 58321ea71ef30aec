# SPDX-License-Identifier: Apache-2.0
"""``cad_base``: the small net's parts beside the first blocks of CLIP, each with a judge of the picture."""

from __future__ import annotations

import pytest
import timm
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from tiny_cad import BASE_OPTIONS, HUB_OPTIONS, tiny_base, tiny_shapes, windows
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cad.errors import OptionError, WeightsError
from cad.models import create_model
from cad.models.config import CadConfig
from cad.models.encoders.clip import ClipFace, chosen_slots
from cad.models.encoders.whisper_hub import WhisperHub
from cad.models.heads import JudgeMixture, VideoHead
from cad.models.pretrained.clip import CLIP_MODEL

TOWER = BASE_OPTIONS["large_face_options"]["model_options"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return tiny_base()


def present_at(slots: int, *places: int) -> torch.Tensor:
    present = torch.zeros(1, slots)
    present[0, list(places)] = 1
    return present


def adapters(module):
    return [part for part in module.modules() if isinstance(part, BaseTunerLayer)]


def test_one_face_a_second_is_looked_at():
    chosen, part = chosen_slots(torch.ones(1, 50), 2)
    assert chosen.tolist() == [[12, 37]]
    assert part.tolist() == [[0] * 25 + [1] * 25]


@pytest.mark.parametrize(
    ("places", "looked_at"),
    [((7,), {7}), ((0,), {0}), ((11,), {11}), ((3, 9), {3, 9}), ((2, 3, 4, 11), {3, 11}), ((5, 6, 7), {5, 7})],
)
def test_only_slots_with_a_face_are_looked_at(places, looked_at):
    present = present_at(12, *places)
    chosen, part = chosen_slots(present, 2)
    assert set(chosen[0].tolist()) == looked_at
    assert part.min() >= 0 and part.max() <= 1
    # Every part that has a slot is looked at in a slot of its own.
    for number in part[0, list(places)].unique().tolist():
        own = [place for place in places if part[0, place] == number]
        assert int(chosen[0, number]) in own


def test_nothing_is_chosen_outside_of_a_window_without_faces():
    chosen, part = chosen_slots(torch.zeros(2, 5), 3)
    assert chosen.max() < 5 and part.max() < 3


@pytest.mark.parametrize("place", [0, 3, 4, 11])
def test_the_one_frame_of_a_still_decides(model, place):
    """The small judge looks at every fifth slot only; the large one finds the frame wherever it lies."""
    frames, audio, _, silent = windows(1, 12)
    present = present_at(12, place)
    other = frames.clone()
    other[:, place] = 255 - other[:, place]
    with torch.no_grad():
        one, two = (model(given, audio, present, silent * 0) for given in (frames, other))
    assert (one.video_logit - two.video_logit).abs() > 1e-4
    assert one.video_frame_logits[0, place].abs() > 1e-4
    assert not one.video_frame_logits[0, [slot for slot in range(12) if slot != place]].any()
    # What lies in absent slots changes nothing.
    other = frames.clone()
    other[:, place - 1] = 0
    with torch.no_grad():
        same = model(other, audio, present, silent * 0)
    torch.testing.assert_close(same.video_logit, one.video_logit)


def test_encoders_are_of_the_real_classes(model):
    net = model.large_face_encoder.net
    assert isinstance(net, timm.models.vision_transformer.VisionTransformer) and len(net.blocks) == 2
    assert model.large_face_encoder.width == 2 * 32
    assert isinstance(WhisperHub(**HUB_OPTIONS).adapted.net, WhisperEncoder)


def test_tokens_are_the_transformers_own_class_token_and_patches(model):
    encoder = model.large_face_encoder
    plain = timm.create_model(CLIP_MODEL, pretrained=False, num_classes=0, depth=2, **TOWER).eval()
    plain.load_state_dict(encoder.net.state_dict() | {f"norm.{name}": p for name, p in
                          encoder.class_norm.state_dict().items()})  # fmt: skip
    crops = torch.randint(0, 256, (3, 160, 160, 3), dtype=torch.uint8)
    encoder.patch_norm.load_state_dict(encoder.class_norm.state_dict())
    with torch.no_grad():
        tokens = encoder.look(crops, torch.ones(3))
        images = torch.nn.functional.interpolate(crops.permute(0, 3, 1, 2) / 255, size=(32, 32), mode="bilinear")
        expected = plain.forward_features((images - encoder.mean) / encoder.deviation)
    torch.testing.assert_close(tokens[:, :32], torch.nn.functional.normalize(expected[:, 0]), rtol=1e-4, atol=1e-5)
    patches = torch.nn.functional.normalize(expected[:, 1:].mean(1))
    torch.testing.assert_close(tokens[:, 32:], patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tokens[:, :32].norm(dim=1), torch.ones(3))


def test_only_norms_from_the_second_block_on_learn(model):
    learning = {name for name, p in model.large_face_encoder.named_parameters() if p.requires_grad}
    kinds = {f"{norm}.{kind}" for norm in ("class_norm", "patch_norm") for kind in ("weight", "bias")}
    kinds |= {f"net.blocks.1.norm{number}.{kind}" for number in (1, 2) for kind in ("weight", "bias")}
    assert learning == kinds
    assert not any(p.requires_grad for p in model.speech_encoder.parameters())


def test_gradients_reach_what_learns_and_nothing_frozen(model):
    model.train()
    model(*windows()).video_logit.sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"large_face_encoder.net.blocks.1.norm1.weight", "video_head.large.line.weight"} <= moved
    assert "video_head.large.log_scale" in moved and "video_head.mixture.weights" in moved
    assert not any("attn" in name or "mlp" in name for name in moved)


def test_patches_are_left_out_in_training_alone(model):
    frames, _, present, _ = windows(1, 4)
    encoder, counts = model.large_face_encoder, []
    encoder.net.blocks.register_forward_pre_hook(lambda module, inputs: counts.append(inputs[0].shape[1]))
    with torch.no_grad():
        encoder.train()(frames, present)
        encoder.eval()(frames, present)
    assert counts == [1 + 2, 1 + 4]


@pytest.mark.parametrize("judge", ["small", "large"])
def test_either_judge_can_be_switched_off(model, judge):
    torch.manual_seed(1)
    inputs = windows(2, 12)
    alone = create_model("cad_base", **BASE_OPTIONS, face_judges=[judge]).eval()
    alone.load_state_dict(model.state_dict())
    with torch.no_grad():
        both, one = model(*inputs), alone(*inputs)
        face, face_present, lips = model._picture(inputs[0], inputs[2])
        small = model.video_head.small_says(face, face_present, lips, inputs[2])
        large = model.video_head.large_says(model._large(inputs[0], inputs[2]), inputs[2])
    expected = small if judge == "small" else large
    torch.testing.assert_close(one.video_logit, expected.clip_logit)
    torch.testing.assert_close(one.video_frame_logits, expected.frame_logits)
    assert (both.video_logit - one.video_logit).abs().max() > 1e-4
    # At the start the centre is 0 and the spread 1: the plain mean.
    torch.testing.assert_close(both.video_logit, (small.clip_logit + large.clip_logit) / 2, rtol=1e-3, atol=1e-4)


def test_of_a_still_the_large_judge_speaks_alone(model):
    torch.manual_seed(1)
    frames, audio, present, audio_present = windows(1, 12)
    present[:] = 0
    present[0, 5] = 1
    with torch.no_grad():
        said = model(frames, audio, present, audio_present)
        large = model.video_head.large_says(model._large(frames, present), present)
    torch.testing.assert_close(said.video_logit, large.clip_logit, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(said.video_frame_logits, large.frame_logits, rtol=1e-3, atol=1e-4)


def test_with_the_small_judge_alone_it_is_the_small_net(model):
    small = tiny_shapes()
    alone = create_model("cad_base", **BASE_OPTIONS, face_judges=["small"]).eval()
    missing, left = alone.load_state_dict(small.state_dict(), strict=False)
    assert not left and all(name.startswith(("large_face_encoder.", "video_head.large.", "video_head.mixture."))
                            for name in missing)  # fmt: skip
    inputs = windows(2, 12)
    with torch.no_grad():
        one, two = alone(*inputs), small(*inputs)
    torch.testing.assert_close(one.fused_logit, two.fused_logit)
    torch.testing.assert_close(one.video_logit, two.video_logit)


def test_judges_are_joined_on_the_scale_of_the_small_one():
    mixture = JudgeMixture()
    mixture.settle(torch.tensor([1.0, -2.0]), torch.tensor([2.0, 0.5]))
    logits = torch.tensor([[1.0, -2.0], [3.0, -1.5], [3.0, -2.0]])
    with torch.no_grad():
        found = mixture(logits, torch.ones(3, 2))
        torch.testing.assert_close(found, torch.tensor([1.0, 3.0, 2.0]), rtol=1e-3, atol=1e-3)
        # One that saw nothing leaves its say to the other, and none gives nothing.
        alone = mixture(logits, torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]))
        torch.testing.assert_close(alone, torch.tensor([1.0, 3.0, 0.0]), rtol=1e-3, atol=1e-3)
        mixture.weights.copy_(torch.tensor([-9.0, 5.0]))
        assert (mixture(logits + torch.tensor([1.0, 0.0]), torch.ones(3, 2)) >= mixture(logits, torch.ones(3, 2))).all()
    with pytest.raises(ValueError, match="positive"):
        mixture.settle(torch.zeros(2), torch.tensor([1.0, 0.0]))


def test_a_head_without_a_large_encoder_has_no_large_judge():
    head = VideoHead(8, None, 4, 0.0)
    assert {name.split(".")[0] for name in head.state_dict()} == {"face", "feature_norm"}
    with pytest.raises(ValueError, match="no large judge"):
        head.large_says(torch.zeros(1, 2, 8), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"face_judges": ("large",)}, "needs a large_face_encoder"),
        ({"face_judges": ("huge",), "large_face_encoder": "clip_vit"}, "huge"),
        ({"face_judges": ()}, "face_judges must be"),
    ],
)
def test_judges_that_do_not_exist_are_refused(options, says):
    with pytest.raises(OptionError, match=says):
        CadConfig(**options)


@pytest.mark.parametrize("options", [{"blocks": 0}, {"frames_per_window": 0}, {"patch_drop": 1.0}])
def test_an_encoder_that_looks_at_nothing_is_refused(options):
    with pytest.raises(OptionError, match="clip_vit needs"):
        ClipFace(model_options=TOWER, **options)


def test_speech_paths_differ_by_the_adapters():
    encoder = WhisperHub(**HUB_OPTIONS).eval()
    for adapter in adapters(encoder):
        for weight in adapter.lora_B.parameters():
            torch.nn.init.normal_(weight)
    mel = torch.randn(1, 80, 32)
    with torch.no_grad():
        shared = encoder.encode(mel)
        specific = encoder.encode_specific(mel, shared)
        assert (specific - shared).abs().max() > 1e-3
        for adapter in adapters(encoder):
            for weight in adapter.lora_B.parameters():
                weight.zero_()
        torch.testing.assert_close(encoder.encode_specific(mel, shared), shared)


def test_speech_on_its_full_length_equals_transformers():
    encoder = WhisperHub(model_options={**HUB_OPTIONS["model_options"], "max_source_positions": 100}, rank=2).eval()
    mel = torch.randn(1, 80, 200)
    with torch.no_grad(), encoder.adapted.passed_by():
        expected = encoder.adapted.net(mel).last_hidden_state
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode(mel), expected, rtol=1e-4, atol=1e-4)


def test_the_whole_speech_encoder_and_aligned_faces_stay_possible():
    """As in the paper: no net for the lips, and Whisper's encoder with adapters."""
    model = tiny_base(lip_encoder=None, lip_options={}, speech_encoder="whisper_hub", speech_options=HUB_OPTIONS)
    with torch.no_grad():
        output = model(*windows(2, 12))
    assert output.sync_logit.shape == (2,) and output.fused_logit.isfinite().all()
    learning = {name for name, p in model.speech_encoder.named_parameters() if p.requires_grad}
    assert learning and all(".lora_" in name for name in learning)


def test_adapters_are_on_again_after_an_error():
    encoder = WhisperHub(**HUB_OPTIONS)
    with pytest.raises(RuntimeError), encoder.adapted.passed_by():
        raise RuntimeError
    assert not any(adapter.disable_adapters for adapter in adapters(encoder))


def test_base_weights_load_under_their_own_names():
    adapted = WhisperHub(**HUB_OPTIONS).adapted
    state = {name.replace(".base_layer.", "."): value + 1 for name, value in adapted.net.state_dict().items()
             if ".lora_" not in name}  # fmt: skip
    before = {name: value.clone() for name, value in adapted.net.state_dict().items() if ".lora_" in name}
    adapted.load_base(state, "a test")
    after = adapted.net.state_dict()
    torch.testing.assert_close(
        after["layers.0.self_attn.q_proj.base_layer.weight"], state["layers.0.self_attn.q_proj.weight"]
    )
    assert all(torch.equal(after[name], value) for name, value in before.items())
    state.pop("conv1.weight")
    with pytest.raises(WeightsError, match=r"conv1\.weight"):
        adapted.load_base(state, "a test")


@pytest.mark.slow
def test_full_size_takes_one_step():
    """The architecture with random weights, forward and backward once."""
    model = create_model("cad_base").train()
    encoder = model.large_face_encoder
    assert 57e6 < sum(p.numel() for p in encoder.parameters()) < 59e6
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == 16 * 2 * 768
    output = model(*windows(1, 50))
    (output.fused_logit.sum() + output.video_logit.sum() + output.audio_logit.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
