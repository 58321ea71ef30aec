# SPDX-License-Identifier: Apache-2.0
"""Every configuration can be instantiated, and its parameter groups fit its net."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_cad import BASE_OPTIONS

from cad.models import CadModel
from cad.training.cli import main
from cad.training.data import CadData
from cad.training.parameters import make_optimizer
from cad.training.task import CadTask

ROOT = Path(__file__).resolve().parents[2]
#: audio_head.yaml and picture.yaml are for tools that have tests of their own; cad_base is tested with small
#: encoders below.
OTHERS = ("audio_head", "picture", "cad_base")
TRAIN = sorted(path for path in (ROOT / "configs" / "train").glob("*.yaml") if path.stem not in OTHERS)
#: What some configurations are laid over.
BELOW = {
    "ablation": ["--config", str(ROOT / "configs" / "ablation" / "full.yaml")],
    "stage_video_2": ["--config", str(ROOT / "configs" / "train" / "stage_video.yaml")],
    "finetune_base": ["--config", str(ROOT / "configs" / "train" / "finetune.yaml")],
}
ABLATION = sorted((ROOT / "configs" / "ablation").glob("*.yaml"))

#: The published starting weights come with packages that a plain test run need not have.
WITHOUT_PACKAGES = ["--model.net.init_args.pretrained=false", "--model.start_from=[]"]


@pytest.mark.parametrize("path", TRAIN + ABLATION, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_configuration_makes_a_net_and_its_data(path: Path, tmp_path: Path) -> None:
    below = BELOW.get(path.stem if path.parent.name == "train" else "ablation", [])
    threads = torch.get_num_threads()
    try:
        cli = main(
            [*below, "--config", str(path), *WITHOUT_PACKAGES, f"--run.folder={tmp_path}", "--trainer.accelerator=cpu"],
            run=False,
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
        0.1 if path.stem in ("full", "cad_small", "finetune", "finetune_base", "no_alignment") else 0
    )


def test_the_large_net_goes_on_with_its_norms_and_what_joins_its_parts(tmp_path: Path) -> None:
    small = [f"--model.net.init_args.options.{name}={json.dumps(value)}" for name, value in BASE_OPTIONS.items()]
    threads = torch.get_num_threads()
    try:
        cli = main(
            ["--config", str(ROOT / "configs" / "train" / "cad_base.yaml"), "--model.start_from=[]",
             "--trainer.accelerator=cpu", f"--run.folder={tmp_path}", *small],
            run=False,
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    net = cli.model.net
    assert net.config.name == "cad_base" and net.large_face_encoder is not None
    names = {id(p): name for name, p in net.named_parameters()}
    rates = {
        names[id(p)]: group["lr"]
        for group in make_optimizer(net, cli.model.optimizer_options).param_groups
        for p in group["params"]
        if p.requires_grad
    }
    large = {name for name in rates if name.startswith("large_face_encoder.")}
    assert large and all("norm" in name and rates[name] > 0 for name in large)
    assert rates["video_head.mixture.weights"] > rates["video_head.large.line.weight"] > 0
    assert not any(rate for name, rate in rates.items() if name.startswith(("face_encoder.", "speech_encoder.")))
