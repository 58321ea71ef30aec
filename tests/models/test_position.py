# SPDX-License-Identifier: Apache-2.0
"""The lips' tokens must not know where in the window they are: agreement would then be on time, not on speech."""

from __future__ import annotations

import torch
from tiny_cad import windows

from cad.models.encoders.lips import LipNet
from cad.models.temporal import TemporalBlock


def test_a_still_mouth_looks_the_same_at_every_time():
    net = LipNet(width=32, stages=(4, 8, 8, 8)).eval()
    frames, _, present, _ = windows(1, 20)
    tokens = net(frames[:, :1].expand(-1, 20, -1, -1, -1), present)
    torch.testing.assert_close(tokens, tokens[:, :1].expand_as(tokens), rtol=1e-4, atol=1e-5)


def test_zero_padding_would_have_told_the_time():
    block = TemporalBlock(8).eval()
    constant = torch.randn(1, 1, 8).expand(-1, 20, -1)
    kept = block(constant)
    torch.testing.assert_close(kept, kept[:, :1].expand_as(kept))
    block.conv.padding = (2,)
    block.pad = 0
    spoiled = block(constant)
    assert (spoiled[:, 0] - spoiled[:, 10]).abs().max() > 1e-3


def test_windows_cut_at_other_times_agree_on_what_they_share():
    net = LipNet(width=32, stages=(4, 8, 8, 8)).eval()
    frames, _, _, _ = windows(1, 40)
    early, late = net(frames[:, :30], torch.ones(1, 30)), net(frames[:, 10:], torch.ones(1, 30))
    # Ten slots at each border are within reach of the padding (stem 2, two convolutions of 2).
    torch.testing.assert_close(early[:, 16:24], late[:, 6:14], rtol=1e-4, atol=1e-5)


def test_stem_is_the_three_dimensional_convolution():
    net = LipNet(width=32, stages=(4, 8, 8, 8)).eval()
    mouths = torch.randn(1, 9, 1, 64, 64)
    flat = net.stem[0](net._stacks(mouths)).reshape(1, 9, 4, 32, 32)
    kernel = net.stem[0].weight.reshape(4, 5, 1, 5, 5).transpose(1, 2)
    deep = torch.nn.functional.conv3d(mouths.transpose(1, 2), kernel, stride=(1, 2, 2), padding=(0, 2, 2))
    torch.testing.assert_close(flat[:, 2:-2], deep.transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_lips_are_the_luma_of_the_mouth_and_nothing_else():
    frames, _, present, _ = windows(1, 3)
    elsewhere = 255 - frames
    elsewhere[:, :, 76:140, 48:112] = frames[:, :, 76:140, 48:112]
    net = LipNet(width=32, stages=(4, 8, 8, 8)).eval()
    assert torch.equal(net(frames, present), net(elsewhere, present))
    levels = frames[:, :, 76:140, 48:112].float() @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(net._mouths(frames, present), ((levels - 110) / 55).unsqueeze(2))
