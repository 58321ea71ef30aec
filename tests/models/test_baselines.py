# SPDX-License-Identifier: Apache-2.0
"""The nets to compare with keep the contract of every net, and are those of their papers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.signal import freqz
from tiny_baselines import PICTURE, TINY, tiny_baseline
from tiny_cad import windows

from cad.errors import OptionError
from cad.models import create_model, load_checkpoint, save_checkpoint
from cad.models.baselines.aasist import sinc_bank
from cad.models.baselines.graph_attention import GraphAttention, GraphPool, PresentNorm
from cad.models.losses import LossWeights, cad_loss
from cad.models.targets import CadTargets
from cad.spec import OUTPUTS


@pytest.fixture(params=TINY)
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return tiny_baseline(name)


def outputs(model, *inputs, **options):
    with torch.no_grad():
        result = model(*inputs, **options)
    return {name: getattr(result, name) for name in OUTPUTS}


def stream_of(name: str) -> str:
    return "video" if name in PICTURE else "audio"


@pytest.mark.parametrize("time", [1, 12, 37])
def test_shapes_types_and_values(model, time):
    for name, value in outputs(model, *windows(2, time)).items():
        assert value.shape == ((2, time) if name.endswith("frame_logits") else (2,)), name
        assert value.dtype == torch.float32 and torch.isfinite(value).all(), name


def test_its_own_stream_speaks_and_no_other(name, model):
    found, stream = outputs(model, *windows()), stream_of(name)
    assert model.config.heads == (stream,)
    assert torch.equal(found["fused_logit"], found[f"{stream}_logit"])
    for output, value in found.items():
        assert value.ne(0).any() == (output.startswith(stream) or output == "fused_logit"), output


def test_the_other_stream_does_not_matter(name, model):
    frames, audio, present, _ = windows()
    changed = (frames, -audio, present, present * 0) if name in PICTURE else (255 - frames, audio, present * 0, present)
    for output, value in outputs(model, *changed).items():
        assert torch.equal(value, outputs(model, frames, audio, present, present)[output]), output


def test_what_is_absent_does_not_matter(name, model):
    frames, audio, present, _ = windows(2, 20)
    present[0, 5:11] = 0.0
    changed, loud = frames.clone(), audio.clone()
    changed[0, 5:11], loud[0, 5 * 640 : 11 * 640] = 255, 0.9
    found, other = outputs(model, frames, audio, present, present), outputs(model, changed, loud, present, present)
    for output in OUTPUTS:
        assert torch.equal(found[output], other[output]), output
    assert found[f"{stream_of(name)}_frame_logits"][0, 5:11].eq(0).all()


def test_nothing_at_all_says_nothing(model):
    frames, audio, present, _ = windows()
    for output, value in outputs(model, frames, audio, present * 0, present * 0).items():
        assert value.eq(0).all(), output


def test_rows_do_not_see_each_other(model):
    inputs = windows(3)
    together, alone = outputs(model, *inputs), outputs(model, *(value[1:2] for value in inputs))
    for output in OUTPUTS:
        torch.testing.assert_close(together[output][1:2], alone[output], rtol=1e-4, atol=1e-5)


def test_dropping_its_stream_is_its_absence(name, model):
    frames, audio, present, _ = windows()
    keep = torch.tensor([1.0, 0.0])
    dropped = model(frames, audio, present, present, keep_video=keep, keep_audio=keep)
    absent = present * keep.unsqueeze(1)
    expected = outputs(model, frames, audio, absent, absent)
    for output in OUTPUTS:
        torch.testing.assert_close(getattr(dropped, output).detach(), expected[output], rtol=1e-4, atol=1e-5)
    assert dropped.features.stream_present.sum().item() == 1.0


def test_it_learns_from_its_own_label_alone(name, model):
    """With the losses' own weights: every learning part moves, and the fused label of the clip teaches nothing."""
    model.train()
    frames, audio, present, _ = windows(4, 10)

    def gradients(fused: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model.zero_grad()
        labels = torch.tensor([[fused, 1.0, 1.0, -1.0], [fused, 0.0, 0.0, -1.0]]).repeat(2, 1)
        targets = CadTargets(
            slot_labels=labels[:, 1:].unsqueeze(2).expand(-1, -1, 10), clip_labels=labels,
            offset_seconds=torch.zeros(4), offset_known=torch.zeros(4), event=torch.arange(4),
        )  # fmt: skip
        losses = cad_loss(model(frames, audio, present, present), targets, LossWeights())
        losses.total.backward()
        # What needs features of alignment and fusion is left out.
        assert not losses.terms.keys() & {"contrast", "lags", "offset", "kl", "distillation"}
        return {key: p.grad.clone() for key, p in model.named_parameters() if p.requires_grad}

    first = gradients(1.0)
    assert all(grad.isfinite().all() for grad in first.values())
    without = [key for key, grad in first.items() if not grad.any()]
    # A bias before a batch normalisation moves nothing.
    assert [key for key in without if not key.endswith("bias")] == []
    for key, grad in gradients(0.0).items():
        torch.testing.assert_close(grad, first[key])


@pytest.mark.parametrize("name", [name for name in TINY if name != "clip_probe"])  # which has none
def test_rows_without_its_stream_do_not_enter_the_batch_statistics(name):
    frames, audio, present, _ = windows(3, 10)
    mixed = present.clone()
    mixed[1] = 0.0
    found, expected = tiny_baseline(name).train(), tiny_baseline(name).train()
    expected.load_state_dict(found.state_dict())
    rows = [0, 2]
    torch.manual_seed(0)
    found(frames, audio, mixed, mixed)
    torch.manual_seed(0)
    expected(frames[rows], audio[rows], present[rows], present[rows])
    buffers = dict(expected.named_buffers())
    for key, value in found.named_buffers():
        if "running" in key and not key.startswith(("branches", "time_graph", "spectrum_graph")):  # behind dropout
            torch.testing.assert_close(value, buffers[key])


def test_checkpoint_round_trip(name, model, tmp_path):
    save_checkpoint(model, tmp_path / "net.safetensors", {"commit": "abc"})
    again, notes = load_checkpoint(tmp_path / "net.safetensors")
    assert notes == {"commit": "abc"} and again.config == model.config
    inputs = windows()
    for output, value in outputs(model, *inputs).items():
        assert torch.equal(outputs(again, *inputs)[output], value)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # MesoNet, section 3.1; AASIST, table 1, less the weights of one of its two outputs; timm's net and one layer.
    [("meso4", 27_977), ("aasist_l", 85_306 - 161), ("xception", 20_806_952 + 2049)],
)
def test_as_many_parameters_as_the_paper_says(name, parameters):
    assert sum(p.numel() for p in create_model(name).parameters()) == parameters


@pytest.mark.parametrize("name", PICTURE)
def test_a_clip_is_the_mean_over_the_frames_looked_at(name):
    found = outputs(tiny_baseline(name), *windows(1, 13))
    by_slot = found["video_frame_logits"][0]
    assert by_slot.unique().numel() == 3 and torch.equal(by_slot[:5], by_slot[0].expand(5))
    torch.testing.assert_close(found["video_logit"][0], by_slot[[0, 5, 10]].mean())


def test_the_tower_of_the_probe_stays_as_it_is():
    model = tiny_baseline("clip_probe").train()
    assert not model.tower.training
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"line.weight", "line.bias"}


def test_sinc_filters_pass_their_bands():
    bank = sinc_bank(20, 513).squeeze(1).double().numpy()
    middles = []
    for kernel in bank[4:]:  # a filter of 32 ms cannot part the narrowest bands
        hertz, response = freqz(kernel, worN=4096, fs=16_000)
        power = np.abs(response) ** 2
        middles.append(float((hertz * power).sum() / power.sum()))
    edges_mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 21)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    assert all(low < middle < high for low, middle, high in zip(edges_hz[4:], middles, edges_hz[5:], strict=False))


def test_pooling_keeps_the_share_that_scores_highest():
    pool = GraphPool(3, 0.4).eval()
    nodes, present = torch.randn(2, 3, 10), torch.ones(2, 10)
    present[1, 4:] = 0.0
    pooled, kept = pool(nodes, present)
    assert kept.sum(1).tolist() == [4.0, 1.0]  # 0.4 of 10, and of the 4 that are there: at least 1
    scores = torch.sigmoid(pool.score(nodes)).squeeze(1)
    assert set(kept[0].nonzero().squeeze(1).tolist()) == set(scores[0].topk(4).indices.tolist())
    torch.testing.assert_close(pooled, nodes * (scores * kept).unsqueeze(1))


def test_absent_nodes_are_as_if_they_were_not_there():
    attention = GraphAttention(4, 5, 2.0).eval()
    nodes, present = torch.randn(1, 4, 9), torch.ones(1, 9)
    present[0, 6:] = 0.0
    found = attention(nodes, present)
    torch.testing.assert_close(found[:, :, :6], attention(nodes[:, :, :6], torch.ones(1, 6)))
    assert found[:, :, 6:].eq(0).all()


def test_statistics_of_nodes_are_those_of_the_present_ones():
    norm = PresentNorm(4).train()
    nodes, present = torch.randn(2, 4, 6) * 3 + 5, torch.ones(2, 6)
    present[1, 2:] = 0.0
    found = norm(nodes, present)
    rows = torch.cat([nodes[0].T, nodes[1, :, :2].T])
    torch.testing.assert_close(norm.running_mean, 0.1 * rows.mean(0))
    expected = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(found[1, :, :2], expected[6:].T)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("meso4", {"size_px": 0}, "size_px"),
        ("aasist_l", {"kernel": 128}, "kernel must be odd"),
        ("clip_probe", {"streams": ("video",)}, "clip_probe: unknown options"),
    ],
)
def test_bad_options_say_what_is_accepted(name, options, says):
    with pytest.raises(OptionError, match=says):
        create_model(name, **options)


def test_configurations_are_records():
    for name in TINY:
        config = create_model(name, **TINY[name]).config
        assert config.name == name and dataclasses.is_dataclass(config)
