# SPDX-License-Identifier: Apache-2.0
"""``RunRecord`` keeps what a run leaves beside its checkpoints: weights as safetensors, versions, commit, figures."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only
from safetensors import SafetensorError, safe_open
from torch import nn

from cad.errors import OptionError
from cad.models import config_of, save_checkpoint
from cad.training.averaging import WeightAverage
from cad.training.closing import closing_lines
from cad.training.run_tables import RunTable
from cad.training.scores import by_source
from cad.training.start import WEIGHTS_NAME
from cad.training.task import CadTask
from cad.training.whole_files import write_json, written_beside
from cad.versions import installed_version

#: The best checkpoint's folder, and that of the one that was the best before.
BEST_NAME, PREVIOUS_BEST_NAME = "best", "previous_best"
FIGURES_NAME = "figures.json"

_log = logging.getLogger(__name__)

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
    """Writes ``run.json``, ``metrics.csv``, ``sources.csv``, ``model.safetensors`` (latest) and ``best/``.

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
        self._seconds_before = 0.0
        self._began_at = time.monotonic()
        self._metrics = RunTable(folder / "metrics.csv")
        self._sources = RunTable(folder / "sources.csv")
        self._last_step = 0

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Have a run that is shorter than the interval between validations judged at its end."""
        batches, interval = getattr(trainer.datamodule, "batches", None), trainer.val_check_interval  # type: ignore[attr-defined]
        if batches is not None and isinstance(interval, int):
            trainer.val_check_interval = min(interval, batches)

    @rank_zero_only
    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write what the run is made from, before its first step."""
        self._began_at = time.monotonic()
        self._last_step = trainer.global_step
        for table in (self._metrics, self._sources):
            table.take_up_to(trainer.global_step)
        if trainer.global_step:
            self._mend(pl_module)
        self._write_run(trainer, finished=False)

    def _mend(self, pl_module: lightning.LightningModule) -> None:
        """Replace torn weights: the latest from the checkpoint, the best by those that were the best before."""
        latest, best = self._folder / WEIGHTS_NAME, self._folder / BEST_NAME
        if _is_torn(latest):
            _log.warning("%s is torn: written anew from the checkpoint", latest)
            self._save_weights(pl_module, self._folder)
        if best.exists() and _is_torn(best / WEIGHTS_NAME):
            shutil.rmtree(best)
            _log.warning("%s was torn and is gone: the best before it takes its place, if there is one", best)
        if not best.exists():
            _move_folder(self._folder / PREVIOUS_BEST_NAME, best)
            self._best = (best_figures(best) or {}).get(self._monitor)

    @rank_zero_only
    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note losses and learning rates now and then."""
        step = trainer.global_step
        if step == self._last_step:
            return
        self._last_step = step
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            shown = {name: float(value) for name, value in trainer.callback_metrics.items() if name[:6] == "train/"}
            rates = (group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups)
            self._metrics.add(step, shown | {f"learning_rate/{number}": rate for number, rate in enumerate(rates)})

    @rank_zero_only
    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep weights as safetensors, and the figures so far, beside Lightning's own file."""
        self._save_weights(pl_module, self._folder)
        self._metrics.write()

    @rank_zero_only
    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the figures by source, and the weights if they are the best so far.

        Raises:
            OptionError: The run is to be judged by a figure that there is not.
        """
        if trainer.state.fn != "fit" or trainer.sanity_checking or not isinstance(pl_module, CadTask):
            return
        step = trainer.global_step
        self._figures = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")
        }
        self._metrics.add(step, self._figures)
        self._sources.put(step, [_rounded(asdict(score)) for score in by_source(pl_module.scored)])
        self._metrics.write()
        self._sources.write()
        value = self._figures.get(self._monitor)
        if value is None:
            names = ", ".join(sorted(self._figures))
            raise OptionError(f"run.monitor: there is no figure {self._monitor} on these rows; there are: {names}")
        is_best = not math.isnan(value) and (self._best is None or value > self._best)
        if is_best:
            self._best = value
            self._keep_best(pl_module, {"step": step, **self._figures})
        _log.info("step %d: %s %.4f%s", step, self._monitor, value, ", the best so far" if is_best else "")
        self._write_run(trainer, finished=False)

    @rank_zero_only
    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write that the run ended by itself, and say what it reached."""
        self._write_run(trainer, finished=True)
        best = self._folder / BEST_NAME
        figures = best_figures(best)
        data = trainer.datamodule  # type: ignore[attr-defined]
        lines = closing_lines(
            best,
            self._monitor,
            figures,
            getattr(data, "split_manifests", ()),
            getattr(data, "root", None),
            pl_module.closing_tables(figures) if isinstance(pl_module, CadTask) and figures else (),
        )
        sys.stdout.write("\n".join(lines) + "\n")

    def _save_weights(self, pl_module: lightning.LightningModule, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        assert isinstance(pl_module, CadTask)
        with contextlib.nullcontext() if self._average is None else self._average.in_place(pl_module):
            save_net(pl_module.net, folder, self._net_config)

    def _keep_best(self, pl_module: lightning.LightningModule, figures: dict[str, float]) -> None:
        """Write the best checkpoint's folder beside and move it, so that its files belong to one step."""
        best, part = self._folder / BEST_NAME, self._folder / f"{BEST_NAME}.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            self._save_weights(pl_module, part)
            write_json(part / FIGURES_NAME, figures)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        _move_folder(best, self._folder / PREVIOUS_BEST_NAME)
        part.rename(best)

    def _write_run(self, trainer: lightning.Trainer, finished: bool) -> None:
        write_json(
            self._folder / "run.json",
            {
                "commit": commit_of(Path(__file__).parent),
                "versions": versions(),
                "device": str(trainer.strategy.root_device),
                "threads": torch.get_num_threads(),
                "processes": trainer.world_size,
                "precision": str(trainer.precision),
                "step": trainer.global_step,
                "seconds": round(self._seconds(), 1),
                "finished": finished,
                "best": {self._monitor: self._best},
                "figures": self._figures,
            },
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began_at

    def state_dict(self) -> dict[str, Any]:
        """Return the best figure so far, and how long the run has taken, for a checkpoint."""
        return {"best": self._best, "figures": self._figures, "seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best figure and the time of a checkpoint."""
        self._best, self._figures = state_dict["best"], state_dict["figures"]
        self._seconds_before = state_dict["seconds"]


def best_figures(best: Path) -> dict[str, float] | None:
    """Return what the best checkpoint in folder ``best`` reached, with ``step``; None where there is none."""
    try:
        figures: dict[str, float] = json.loads((best / FIGURES_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return figures


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()}


def _is_torn(path: Path) -> bool:
    try:
        with safe_open(str(path), framework="pt"):
            return False
    except (OSError, SafetensorError):
        return True


def _move_folder(folder: Path, to: Path) -> None:
    if folder.exists():
        shutil.rmtree(to, ignore_errors=True)
        folder.rename(to)


def save_net(net: nn.Module, folder: Path, config: dict[str, Any]) -> None:
    """Write ``model.safetensors`` and ``config.json``; a reader never sees half a file."""
    with written_beside(folder / WEIGHTS_NAME) as part:
        save_checkpoint(net, part, {"commit": commit_of(Path(__file__).parent)})
    write_json(folder / "config.json", config_of(net) or config)
