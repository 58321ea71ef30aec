# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cad.models.lags import diagonals, expected_offset_seconds, lag_profile


def test_diagonals_are_read_off_one_by_one():
    steps, reach = 7, 3
    matrix = torch.randn(2, steps, steps)
    found = diagonals(matrix, reach)
    for step in range(steps):
        for lag in range(-reach, reach + 1):
            inside = 0 <= step + lag < steps
            expected = matrix[:, step, step + lag] if inside else torch.zeros(2)
            assert torch.equal(found[:, step, reach + lag], expected)


@pytest.mark.parametrize("lag", [-20, -3, 0, 5, 24])
def test_the_offset_of_late_sound_is_positive_and_exact(lag):
    # Lips of slot i say what the sound says in slot i + lag: two windows cut out of one long sequence.
    event = F.normalize(torch.randn(1, 120, 16), dim=-1)
    lips, sound = event[:, 40:90], event[:, 40 - lag : 90 - lag]
    similarity = lips @ sound.transpose(1, 2)
    profile, overlap = lag_profile(similarity, torch.ones(1, 50, 50), 25)
    assert int(profile.argmax()) - 25 == lag
    offset = expected_offset_seconds(profile, overlap, torch.tensor(50.0))
    assert offset.item() == pytest.approx(lag / 25, abs=0.02)


def test_only_real_overlap_counts():
    present = torch.zeros(1, 10, 10)
    present[0, :3, 7:] = 1.0
    profile, overlap = lag_profile(torch.ones(1, 10, 10), present, 9)
    assert overlap[0].tolist() == [0.0] * 14 + [1.0, 2.0, 3.0, 2.0, 1.0]
    assert profile[0].tolist() == [0.0] * 14 + [1.0] * 5


def test_no_overlap_gives_offset_zero():
    profile, overlap = lag_profile(torch.randn(1, 6, 6), torch.zeros(1, 6, 6), 4)
    assert expected_offset_seconds(profile, overlap, torch.tensor(10.0)).item() == 0.0


def test_a_flat_profile_gives_offset_zero_whatever_the_rounding():
    flat = 1e-6 * torch.randn(20, 51)
    offsets = expected_offset_seconds(flat, torch.ones(20, 51), torch.tensor(50.0))
    assert offsets.abs().max() < 1e-4
