# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from safetensors.torch import save_file
from tiny_cad import SMALL_OPTIONS, norm_layers, tiny_base, tiny_shapes, tiny_small, windows

from cad.errors import OptionError, WeightsError, WeightsNotFoundError
from cad.models import CadConfig, create_model, load_checkpoint, save_checkpoint
from cad.spec import OUTPUTS

KINDS = {"small": tiny_small, "shapes": tiny_shapes, "base": tiny_base}


@pytest.fixture(params=KINDS)
def model(request):
    return KINDS[request.param]()


def outputs(model, *inputs, **options):
    with torch.no_grad():
        result = model(*inputs, **options)
    return {name: getattr(result, name) for name in OUTPUTS}


@pytest.mark.parametrize("time", [1, 4, 12])
def test_shapes_types_and_values(model, time):
    for name, value in outputs(model, *windows(2, time)).items():
        assert value.shape == ((2, time) if name.endswith("frame_logits") else (2,)), name
        assert value.dtype == torch.float32
        assert torch.isfinite(value).all(), name


def test_rows_do_not_see_each_other(model):
    frames, audio, video_present, audio_present = windows(3)
    together = outputs(model, frames, audio, video_present, audio_present)
    alone = outputs(model, frames[1:2], audio[1:2], video_present[1:2], audio_present[1:2])
    for name in OUTPUTS:
        torch.testing.assert_close(together[name][1:2], alone[name], rtol=1e-4, atol=1e-5)


def test_absent_picture_leaves_only_the_sound(model):
    frames, audio, present, _ = windows()
    absent = present * 0
    found = outputs(model, frames, audio, absent, present)
    other = outputs(model, 255 - frames, audio, absent, present)
    for name in ("video_logit", "sync_logit", "video_frame_logits", "sync_frame_logits", "offset_seconds"):
        assert found[name].eq(0).all(), name
    for name in OUTPUTS:
        assert torch.equal(found[name], other[name]), name
    assert found["audio_logit"].ne(0).all()
    assert found["fused_logit"].ne(0).all()


def test_absent_sound_leaves_only_the_picture(model):
    frames, audio, present, _ = windows()
    absent = present * 0
    found = outputs(model, frames, audio, present, absent)
    other = outputs(model, frames, -3 * audio, present, absent)
    for name in ("audio_logit", "sync_logit", "audio_frame_logits", "sync_frame_logits", "offset_seconds"):
        assert found[name].eq(0).all(), name
    for name in OUTPUTS:
        assert torch.equal(found[name], other[name]), name
    assert found["video_logit"].ne(0).all()


def test_nothing_at_all_says_nothing(model):
    frames, audio, present, _ = windows()
    for name, value in outputs(model, frames, audio, present * 0, present * 0).items():
        assert value.eq(0).all(), name


def test_pixels_of_absent_slots_do_not_matter():
    model = tiny_small()
    frames, audio, present, audio_present = windows()
    present[:, 3:7] = 0.0
    changed = frames.clone()
    changed[:, 3:7] = 255
    found, other = (outputs(model, each, audio, present, audio_present) for each in (frames, changed))
    for name in OUTPUTS:
        assert torch.equal(found[name], other[name]), name
    assert found["video_frame_logits"][:, 3:7].eq(0).all()


def test_dropping_a_stream_is_its_absence(model):
    frames, audio, present, audio_present = windows()
    dropped = outputs(model, frames, audio, present, audio_present, keep_audio=torch.tensor([1.0, 0.0]))
    absent = audio_present.clone()
    absent[1] = 0.0
    expected = outputs(model, frames, audio, present, absent)
    for name in OUTPUTS:
        torch.testing.assert_close(dropped[name], expected[name], rtol=1e-4, atol=1e-5)


def test_rows_without_picture_do_not_enter_the_batch_statistics():
    frames, audio, present, audio_present = windows(3)
    mixed = present.clone()
    mixed[1] = 0.0
    model = tiny_small().train()
    only = copy.deepcopy(model)
    model(frames, audio, mixed, audio_present)
    rows = [0, 2]
    only(frames[rows], audio[rows], present[rows], audio_present[rows])
    for norm, expected in zip(norm_layers(model), norm_layers(only), strict=True):
        torch.testing.assert_close(norm.running_mean, expected.running_mean)
        torch.testing.assert_close(norm.running_var, expected.running_var)


@pytest.mark.parametrize("streams", [("video",), ("audio",), ("video", "audio")])
def test_streams_left_out_say_nothing(streams):
    model = tiny_small(streams=streams)
    found = outputs(model, *windows())
    for stream in ("video", "audio", "sync"):
        assert found[f"{stream}_logit"].eq(0).all() == (stream not in streams)
        assert found[f"{stream}_frame_logits"].eq(0).all() == (stream not in streams)


def test_every_trained_parameter_gets_a_gradient(model):
    model.train()
    result = model(*windows())
    values = [getattr(result, name) for name in OUTPUTS]
    for record in (result.features, result.features.aligned):
        values += [getattr(record, item.name) for item in dataclasses.fields(record)]
    sum(value.square().sum() for value in values if getattr(value, "requires_grad", False)).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_checkpoint_round_trip(tmp_path, model):
    path = tmp_path / "net.safetensors"
    save_checkpoint(model, path, {"commit": "abc"})
    again, notes = load_checkpoint(path)
    assert notes == {"commit": "abc"}
    # Lists and tuples are told apart by no text.
    assert again.config.to_json() == model.config.to_json()
    inputs = windows()
    found, expected = outputs(again, *inputs), outputs(model, *inputs)
    for name in OUTPUTS:
        assert torch.equal(found[name], expected[name])


def test_bad_checkpoints_say_what_is_wrong(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("no weights here")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_checkpoint(text)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(1)}, foreign)
    with pytest.raises(WeightsError, match=r"cad\.config"):
        load_checkpoint(foreign)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other, metadata={"cad.config": CadConfig(**SMALL_OPTIONS).to_json()})
    with pytest.raises(WeightsError, match="left over \\['weight'\\]"):
        load_checkpoint(other)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("cad_huge", {}, "cad_small"),
        ("cad_small", {"colour": 1}, "unknown options"),
        ("cad_small", {"streams": ("smell",)}, "streams must be"),
        ("cad_small", {"fusion": "vote"}, "fusion must be"),
        ("cad_small", {"speech_encoder": "ear"}, "whisper_layers"),
        ("cad_small", {"face_options": {"last_stage": 9}}, "last_stage"),
        ("cad_small", {"face_options": {"depth": 9}}, "depth"),
    ],
)
def test_bad_options_say_what_is_accepted(name, options, says):
    with pytest.raises(OptionError, match=says):
        create_model(name, **options)


def test_small_fits_its_budget():
    model = create_model("cad_small")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters < 13e6  # a byte each, as it is stored
