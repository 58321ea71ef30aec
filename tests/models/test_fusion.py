# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from cad.models.fusion import Fusion, mean_evidence


def fused(fusion, logits, present):
    return fusion(torch.zeros(len(logits), 3, 8), logits, present)[1]


@pytest.fixture
def fusion():
    return Fusion(8, 0.0).eval()


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_one_stream_keeps_its_own_order_and_value(fusion, stream):
    present = torch.zeros(5, 3)
    present[:, stream] = 1.0
    logits = torch.zeros(5, 3)
    logits[:, stream] = torch.tensor([-4.0, -1.0, 0.0, 2.0, 5.0])
    torch.testing.assert_close(fused(fusion, logits, present), logits[:, stream], atol=1e-3, rtol=1e-3)


def test_rises_with_every_stream_whatever_was_learnt(fusion):
    with torch.no_grad():
        for parameter in (fusion.sum_weights, fusion.maximum_weight, fusion.stream_bias):
            parameter.normal_(0.0, 3.0)
    low = torch.randn(20, 3)
    for stream in range(3):
        high = low.clone()
        high[:, stream] += 1.0
        assert (fused(fusion, high, torch.ones(20, 3)) > fused(fusion, low, torch.ones(20, 3))).all()


def test_absent_streams_do_not_enter(fusion):
    present = torch.tensor([[1.0, 0.0, 0.0]])
    features = torch.randn(1, 3, 8)
    changed = features.clone()
    changed[:, 1:] = 100.0
    joint, logit = fusion(features, torch.tensor([[1.0, 0.0, 0.0]]), present)
    other_joint, other_logit = fusion(changed, torch.tensor([[1.0, 50.0, -50.0]]), present)
    assert torch.equal(logit, other_logit)
    assert torch.equal(joint, other_joint)


def test_nothing_present_says_nothing(fusion):
    assert fused(fusion, torch.randn(2, 3), torch.zeros(2, 3)).eq(0).all()


def test_fused_loss_does_not_teach_the_heads(fusion):
    logits = torch.randn(2, 3, requires_grad=True)
    fused(fusion, logits, torch.ones(2, 3)).sum().backward()
    assert logits.grad is None


def test_concatenation_ignores_the_logits():
    fusion = Fusion(8, 0.0, "concat").eval()
    features = torch.randn(2, 3, 8)
    first = fusion(features, torch.zeros(2, 3), torch.ones(2, 3))[1]
    second = fusion(features, torch.ones(2, 3), torch.ones(2, 3))[1]
    assert torch.equal(first, second)
    assert first[0] != first[1]


@pytest.fixture
def strongest():
    """With numbers as a fit may give them."""
    fusion = Fusion(8, 0.0, "strongest").eval()
    with torch.no_grad():
        for parameter in (fusion.evidence_scale, fusion.evidence_bias, fusion.evidence_sharpness):
            parameter.normal_(0.0, 1.0)
    return fusion


def test_kinds_have_the_names_that_weights_know():
    common = {"absent", "norms.0.weight", "joint.0.weight"}
    before = {"residual.1.weight", "residual.1.bias", "sum_weights", "maximum_weight", "stream_bias"}
    for kind in ("streams", "concat"):
        assert common | before <= Fusion(8, 0.0, kind).state_dict().keys()
    names = Fusion(8, 0.0, "strongest").state_dict().keys()
    assert common <= names and not before & names
    learnt = Fusion(8, 0.0, "strongest").named_parameters()
    assert sum(value.numel() for name, value in learnt if "evidence" in name) == 7


def test_one_stream_is_its_own_evidence(strongest):
    logits = torch.tensor([[0.0, -4.0, 0.0], [0.0, 2.0, 0.0]])
    present = torch.tensor([[0.0, 1.0, 0.0]] * 2)
    scale = torch.nn.functional.softplus(strongest.evidence_scale[1])
    expected = scale * logits[:, 1] + strongest.evidence_bias[1]
    torch.testing.assert_close(fused(strongest, logits, present), expected)


def test_an_unfitted_one_gives_one_stream_its_own_logit():
    logits, present = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    torch.testing.assert_close(
        fused(Fusion(8, 0.0, "strongest"), logits, present), torch.tensor([3.0]), atol=1e-3, rtol=0
    )


def test_strongest_rises_with_every_stream(strongest):
    low = torch.randn(20, 3)
    for stream in range(3):
        high = low.clone()
        high[:, stream] += 1.0
        assert (fused(strongest, high, torch.ones(20, 3)) > fused(strongest, low, torch.ones(20, 3))).all()


def test_genuine_evidence_does_not_cancel_a_forgery():
    forged, genuine = torch.tensor([[-3.0, 4.0, -3.0]]), torch.tensor([[-30.0, 4.0, -30.0]])
    kept = [fused(Fusion(8, 0.0, "strongest"), logits, torch.ones(1, 3)).item() for logits in (forged, genuine)]
    assert kept[0] - kept[1] < 0.5
    lost = [fused(Fusion(8, 0.0), logits, torch.ones(1, 3)).item() for logits in (forged, genuine)]
    assert lost[0] - lost[1] > 20


def test_absent_streams_do_not_enter_the_strongest(strongest):
    present = torch.tensor([[1.0, 1.0, 0.0]])
    first, second = torch.tensor([[1.0, -1.0, 90.0]]), torch.tensor([[1.0, -1.0, -90.0]])
    assert torch.equal(fused(strongest, first, present), fused(strongest, second, present))
    assert fused(strongest, first, torch.zeros(1, 3)).eq(0).all()


@pytest.mark.parametrize("sharpness", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("dependent", [False, True])
def test_more_streams_do_not_raise_false_positives(sharpness, dependent):
    # Log likelihood ratios of N(d, 1) against N(0, 1), of genuine files.
    rng, distance = torch.Generator().manual_seed(1), 1.5
    seen = torch.randn(40_000, 3, generator=rng, dtype=torch.float64)
    if dependent:
        seen = (0.8 * seen[:, :1] + 0.6 * seen).clone()
        seen /= seen.std(0)
    logits = distance * seen - distance**2 / 2
    one = torch.ones(3, dtype=torch.float64)
    for count in (1, 2, 3):
        present = torch.zeros_like(logits)
        present[:, :count] = 1.0
        fused_logit = mean_evidence(logits, present, one, 0 * one, torch.tensor(sharpness, dtype=torch.float64))
        for reached in (2, 3):
            assert (fused_logit >= reached).double().mean() <= torch.tensor(-float(reached)).exp()


def test_a_stream_that_is_not_used_has_no_part(strongest):
    strongest.evidence_used[2] = 0.0
    first, second = torch.tensor([[1.0, -1.0, 90.0]]), torch.tensor([[1.0, -1.0, 0.0]])
    both = torch.tensor([[1.0, 1.0, 0.0]])
    expected = fused(strongest, first, both)
    assert torch.equal(fused(strongest, first, torch.ones(1, 3)), expected)
    assert torch.equal(fused(strongest, second, torch.ones(1, 3)), expected)
    assert fused(strongest, first, torch.tensor([[0.0, 0.0, 1.0]])).eq(0).all()


def test_strongest_does_not_teach_the_heads(strongest):
    logits = torch.randn(2, 3, requires_grad=True)
    fused(strongest, logits, torch.ones(2, 3)).sum().backward()
    assert logits.grad is None and strongest.evidence_scale.grad.abs().sum() > 0
