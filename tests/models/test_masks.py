# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from cad.models.masks import changes, local_mean, local_statistics, masked_mean, masked_softmax, masked_statistics


def test_clip_statistics_are_those_of_the_present_part():
    values, present = torch.randn(2, 9, 3) * 2 + 50, torch.ones(2, 9)
    present[0, 4:] = 0.0
    found = masked_statistics(values, present)
    part = values[0, :4]
    expected = torch.cat([part.mean(0), (part.var(0, unbiased=False) + 1e-5).sqrt()])
    torch.testing.assert_close(found[0], expected)


def test_local_statistics_are_those_of_each_stretch():
    slots, per_slot, length = 11, 2, 5
    values, present = torch.randn(1, slots * per_slot, 3) + 30, torch.ones(1, slots)
    present[0, 3] = 0.0
    found = local_statistics(values, present.repeat_interleave(per_slot, dim=1), per_slot, length)
    by_slot = values.reshape(slots, per_slot, 3)
    for slot in range(slots):
        near = [index for index in range(max(0, slot - 2), min(slots, slot + 3)) if present[0, index]]
        part = by_slot[near].reshape(-1, 3)
        expected = torch.cat([part.mean(0), (part.var(0, unbiased=False) + 1e-5).sqrt()])
        torch.testing.assert_close(found[0, slot], expected, rtol=1e-4, atol=1e-4)


def test_a_stretch_over_everything_gives_the_clips_statistics():
    values, present = torch.randn(2, 8, 4), torch.ones(2, 8)
    around = local_statistics(values, present, 2, 9)
    clip = masked_statistics(values, present)
    torch.testing.assert_close(around, clip.unsqueeze(1).expand_as(around))
    change = local_mean(*changes(values, present), 2, 9)
    torch.testing.assert_close(change, masked_mean(*changes(values, present)).unsqueeze(1).expand_as(change))


def test_changes_are_known_where_a_step_and_the_one_before_it_are():
    values, present = torch.tensor([[[1.0], [4.0], [9.0], [7.0]]]), torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    differences, known = changes(values, present)
    assert differences.flatten().tolist() == [0.0, 3.0, 5.0, 2.0]
    assert known.tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_nothing_present_is_finite():
    values, present = torch.randn(1, 6, 2), torch.zeros(1, 6)
    assert torch.isfinite(local_statistics(values, present, 2, 3)).all()
    assert masked_mean(values, torch.zeros(1, 6)).eq(0).all()
    assert masked_softmax(torch.randn(1, 5), torch.zeros(1, 5)).eq(0).all()
