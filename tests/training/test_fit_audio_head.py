# SPDX-License-Identifier: Apache-2.0
"""The audio head on kept statistics: its configuration fits the tool, and the head learns from them."""

from __future__ import annotations

from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from tiny_cad import tiny_small

from cad.training.audio_head import fit_audio_head, fit_head

ROOT = Path(__file__).resolve().parents[2]


def test_its_configuration_names_what_the_tool_takes() -> None:
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(fit_audio_head)
    options = parser.parse_args(["--config", str(ROOT / "configs" / "train" / "audio_head.yaml")])
    assert options.windows == 6000 and list(options.data.init_args.streams) == ["audio"]


def test_the_head_learns_what_tells_statistics_apart_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    net = tiny_small().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    width = net.audio_head.hidden[0].in_features
    labels = (torch.arange(200) % 2).float()
    inputs = torch.randn(200, width)
    inputs[:, 0] += 4 * labels
    fit_head(
        net,
        {"clip": inputs, "label": labels, "slot": inputs, "slot_label": labels},
        steps=200, rate=1e-2, decay=0.0, batch=64,
    )  # fmt: skip
    head = net.audio_head
    with torch.no_grad():
        logits = head.logit(head.hidden(head.standardize(inputs, torch.zeros(200)))).squeeze(-1)
    assert ((logits > 0) == (labels > 0.5)).float().mean() > 0.9
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith(("audio_head.", "standardize_speech.batches")) for name in changed)
