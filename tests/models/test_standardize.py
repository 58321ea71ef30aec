# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from cad.models.standardize import RunningStandardizer


def test_settles_on_the_datas_statistics():
    standardize = RunningStandardizer(3).train()
    data = torch.randn(4000, 3) * torch.tensor([0.1, 1.0, 20.0]) + torch.tensor([0.0, -5.0, 300.0])
    for part in data.split(100):
        standardize(part, torch.ones(100))
    found = standardize.eval()(data, torch.ones(4000))
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(found.std(0), torch.ones(3), atol=0.05, rtol=0)


def test_absent_rows_do_not_enter():
    values, present = torch.randn(6, 2), torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    first, second = RunningStandardizer(2).train(), RunningStandardizer(2).train()
    first(values, present)
    second(values[present > 0], torch.ones(4))
    torch.testing.assert_close(first.mean, second.mean)
    torch.testing.assert_close(first.square, second.square)


def test_nothing_present_changes_nothing():
    standardize = RunningStandardizer(2).train()
    standardize(torch.randn(6, 2), torch.ones(6))
    before = {name: value.clone() for name, value in standardize.state_dict().items()}
    standardize(torch.randn(6, 2), torch.zeros(6))
    for name, value in standardize.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_evaluation_changes_nothing():
    standardize = RunningStandardizer(2).eval()
    standardize(torch.randn(6, 2) + 9, torch.ones(6))
    assert standardize.mean.eq(0).all()
