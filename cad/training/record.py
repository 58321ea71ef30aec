# SPDX-License-Identifier: Apache-2.0
"""``RunRecord`` keeps what a run leaves beside its checkpoints: weights as safetensors, versions, commit, figures."""

from __future__ import annotations

import contextlib
import csv
import json
import platform
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from cad.models import config_of, save_checkpoint
from cad.training.averaging import WeightAverage
from cad.training.scores import by_source
from cad.training.start import WEIGHTS_NAME
from cad.training.task import CadTask
from cad.versions import installed_version

#: Where Lightning's own state is kept, to go on from.
LAST_NAME = "last.ckpt"

_PACKAGES = ("torch", "torchvision", "torchaudio", "lightning", "timm", "numpy", "opencv-python-headless", "av")


def commit_of(folder: Path) -> str:
    """Return the version-control revision of ``folder``, ``+changes`` where files differ; empty where there is none."""
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        return revision + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions that a run's figures may depend on."""
    packages = {name: found for name in _PACKAGES if (found := installed_version(name)) is not None}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


class RunRecord(Callback):
    """Writes ``run.json``, ``model.safetensors`` (latest), ``best/model.safetensors`` and ``sources.csv``.

    Args:
        folder: The run's folder.
        monitor: Validation figure, larger is better, by which the best weights are kept.
        average: Whose weights are written; None for the plain ones.
        net_config: What describes the net, written beside the weights as ``config.json``.
    """

    def __init__(
        self, folder: Path, monitor: str, average: WeightAverage | None, net_config: dict[str, Any] | None = None
    ) -> None:
        self._folder = folder
        self._monitor = monitor
        self._average = average
        self._net_config = net_config or {}
        self._best: float | None = None
        self._figures: dict[str, float] = {}
        self._started = time.time()

    @rank_zero_only
    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write what the run is made from, before its first step."""
        self._started = time.time()
        self._write_run(trainer, finished=False)

    @rank_zero_only
    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep safetensors beside Lightning's own file."""
        self._save_weights(pl_module, self._folder)

    @rank_zero_only
    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the figures by source, and the weights if they are the best so far."""
        if trainer.sanity_checking or not isinstance(pl_module, CadTask):
            return
        self._figures = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")
        }
        self._append_sources(trainer, pl_module)
        value = self._figures.get(self._monitor)
        if value is not None and (self._best is None or value > self._best):
            self._best = value
            self._save_weights(pl_module, self._folder / "best")
            _write_json(self._folder / "best" / "figures.json", {"step": trainer.global_step, **self._figures})
        self._write_run(trainer, finished=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the last step."""
        trainer.save_checkpoint(self._folder / LAST_NAME)

    @rank_zero_only
    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write that the run ended by itself."""
        self._write_run(trainer, finished=True)

    def _save_weights(self, pl_module: lightning.LightningModule, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        assert isinstance(pl_module, CadTask)
        with contextlib.nullcontext() if self._average is None else self._average.in_place(pl_module):
            save_net(pl_module.net, folder, self._net_config)

    def _append_sources(self, trainer: lightning.Trainer, task: CadTask) -> None:
        path = self._folder / "sources.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if is_new:
                writer.writerow(["step", "head", "source", "genuine", "fake", "auc", "is_held_out"])
            for score in by_source(task.scored):
                values = (round(value, 5) if isinstance(value, float) else value for value in asdict(score).values())
                writer.writerow([trainer.global_step, *values])

    def _write_run(self, trainer: lightning.Trainer, finished: bool) -> None:
        _write_json(
            self._folder / "run.json",
            {
                "commit": commit_of(Path(__file__).parent),
                "versions": versions(),
                "device": str(trainer.strategy.root_device),
                "threads": torch.get_num_threads(),
                "processes": trainer.world_size,
                "precision": str(trainer.precision),
                "step": trainer.global_step,
                "seconds": round(time.time() - self._started, 1),
                "finished": finished,
                "best": {self._monitor: self._best},
                "figures": self._figures,
            },
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the best figure so far for a checkpoint."""
        return {"best": self._best, "figures": self._figures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best figure of a checkpoint."""
        self._best, self._figures = state_dict["best"], state_dict["figures"]


def save_net(net: nn.Module, folder: Path, config: dict[str, Any]) -> None:
    """Write ``model.safetensors`` and ``config.json``; a reader never sees half a file."""
    part = folder / f"{WEIGHTS_NAME}.part"
    save_checkpoint(net, part, {"commit": commit_of(Path(__file__).parent)})
    _write_json(folder / "config.json", config_of(net) or config)
    part.replace(folder / WEIGHTS_NAME)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    part = path.with_suffix(".json.part")
    part.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
