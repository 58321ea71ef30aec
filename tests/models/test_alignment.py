# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from cad.models.alignment import AlignmentHead
from cad.models.attention import BandedCrossAttention
from cad.models.config import CadConfig


def head():
    return AlignmentHead(6, 5, CadConfig(width=16, prototypes=8, fusion_dropout=0.0)).eval()


def test_attention_stays_inside_its_band():
    attention = BandedCrossAttention(8, 2, 3).eval()
    tokens, others = torch.randn(1, 20, 8), torch.randn(1, 20, 8)
    before, weights = attention(tokens, others, torch.ones(1, 20))
    places = torch.arange(20)
    outside = (places[:, None] - places[None]).abs() > 3
    assert weights[0][outside].eq(0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 20))
    others[0, 15] += torch.randn(8) * 5
    after, _ = attention(tokens, others, torch.ones(1, 20))
    changed = (after - before).abs().amax(-1)[0] > 1e-6
    assert changed.nonzero().squeeze(1).tolist() == list(range(12, 19))


def test_attention_gives_nothing_to_absent_slots():
    attention = BandedCrossAttention(8, 2, 3).eval()
    tokens, others, present = torch.randn(1, 9, 8), torch.randn(1, 9, 8), torch.ones(1, 9)
    present[0, 4] = 0.0
    _, weights = attention(tokens, others, present)
    assert weights[..., 4].eq(0).all()
    gathered, weights = attention(tokens, others, present * 0)
    assert weights.eq(0).all()
    assert torch.isfinite(gathered).all()


def test_absent_slots_do_not_enter():
    align = head()
    lips, speech = torch.randn(1, 30, 6), torch.randn(1, 30, 5)
    video, audio = torch.ones(1, 30), torch.ones(1, 30)
    audio[:, 20:] = 0.0
    found = align(lips, speech, video, audio)
    assert found.sync_frame_logits[:, 20:].eq(0).all()
    assert found.sync_frame_logits[:, :20].ne(0).all()
    assert found.sync_present.item() == 1.0
    # A lag of 25 slots forward would read sound from slots that do not exist.
    assert found.lag_overlap[0, -1].item() == 0.0


def test_stillness_and_silence_agree_with_nothing():
    """What does not change over the window is no evidence; its rounding errors must not be made into some."""
    align = head()
    still, speech, ones = torch.randn(1, 1, 6).expand(-1, 30, -1), torch.randn(1, 30, 5), torch.ones(1, 30)
    found = align(still, speech, ones, ones)
    assert found.lag_similarity.abs().max() < 1e-4
    assert found.agreement.abs().max() < 1e-3
    noisy = align(still + 1e-6 * torch.randn(1, 30, 6), speech, ones, ones)
    torch.testing.assert_close(found.sync_logit, noisy.sync_logit, rtol=1e-3, atol=1e-4)


def test_streams_that_never_meet_are_not_judged():
    video, audio = torch.zeros(1, 30), torch.zeros(1, 30)
    video[:, :10], audio[:, 20:] = 1.0, 1.0
    found = head()(torch.randn(1, 30, 6), torch.randn(1, 30, 5), video, audio)
    assert found.sync_present.item() == found.sync_logit.item() == found.offset_seconds.item() == 0.0


def test_it_learns_from_cut_windows_whether_sound_belongs():
    """A few steps tell matched from shifted windows of one hidden event, at times that were not trained on."""
    torch.manual_seed(1)
    to_lips, to_speech = torch.randn(8, 6), torch.randn(8, 5)
    align = head().train()
    steps = torch.optim.Adam(align.parameters(), lr=3e-3)

    def cut(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        event = torch.randn(rows, 120, 8)
        shifted = (torch.arange(rows) % 2).float()
        lag = torch.where(shifted > 0, torch.randint(8, 24, (rows,)) * (2 * torch.randint(0, 2, (rows,)) - 1), 0)
        at = torch.arange(50) + 35
        speech = torch.stack([event[row, at - lag[row]] for row in range(rows)])
        return event[:, at] @ to_lips, speech @ to_speech, shifted

    ones = torch.ones(16, 50)
    for _ in range(60):
        lips, speech, shifted = cut(16)
        found = align(lips, speech, ones, ones)
        own = (found.lag_similarity * found.scale)[shifted == 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(found.sync_logit, shifted)
        loss = loss + torch.nn.functional.cross_entropy(own, torch.full((len(own),), 25))
        steps.zero_grad()
        loss.backward()
        steps.step()
    lips, speech, shifted = cut(16)
    with torch.no_grad():
        logits = align.eval()(lips, speech, ones, ones).sync_logit
    assert logits[shifted == 1].min() > logits[shifted == 0].max()
