# SPDX-License-Identifier: Apache-2.0
"""Every configuration can be instantiated, and its parameter groups fit its net."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cad.models import CadModel
from cad.training.cli import build
from cad.training.data import CadData
from cad.training.parameters import make_optimizer
from cad.training.task import CadTask

ROOT = Path(__file__).resolve().parents[2]
#: audio_head.yaml is for tools/fit_audio_head.py, which has its own test.
TRAIN = sorted(path for path in (ROOT / "configs" / "train").glob("*.yaml") if path.stem != "audio_head")
ABLATION = sorted((ROOT / "configs" / "ablation").glob("*.yaml"))

#: The published starting weights come with packages that a plain test run need not have.
WITHOUT_PACKAGES = ["--model.net.init_args.pretrained=false", "--model.start_from=[]"]


@pytest.mark.parametrize("path", TRAIN + ABLATION, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_configuration_makes_a_net_and_its_data(path: Path, tmp_path: Path) -> None:
    below = ["--config", str(ROOT / "configs" / "ablation" / "full.yaml")] if path.parent.name == "ablation" else []
    threads = torch.get_num_threads()
    try:
        cli = build(
            [*below, "--config", str(path), *WITHOUT_PACKAGES, f"--run.folder={tmp_path}", "--trainer.accelerator=cpu"]
        )
    finally:
        torch.set_num_threads(threads)
    assert isinstance(cli.model, CadTask) and isinstance(cli.datamodule, CadData)
    net = cli.model.net
    assert isinstance(net, CadModel)
    assert not any(p.requires_grad for name, p in net.named_parameters() if name.startswith("speech_encoder."))
    optimizer = make_optimizer(net, cli.model.optimizer_options)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    learning = {id(p) for p in net.parameters() if p.requires_grad}
    assert learning and learning <= held
    kept = cli.model.net.config.face_options.get("frozen_stages", 0)
    assert net.face_encoder.conv_stem.weight.requires_grad == (
        kept == 0 and path.stem not in ("stage_sync", "stage_audio")
    )
    assert cli.model.criterion.weights.distillation == (
        0.1 if path.stem in ("full", "cad_small", "no_alignment") else 0
    )
