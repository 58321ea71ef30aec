# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from cad.models.fusion import Fusion


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
    fusion = Fusion(8, 0.0, concat=True).eval()
    features = torch.randn(2, 3, 8)
    first = fusion(features, torch.zeros(2, 3), torch.ones(2, 3))[1]
    second = fusion(features, torch.ones(2, 3), torch.ones(2, 3))[1]
    assert torch.equal(first, second)
    assert first[0] != first[1]
