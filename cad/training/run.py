# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: the callbacks, loggers and checkpoints that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from cad.errors import OptionError
from cad.training.averaging import WeightAverage
from cad.training.record import LAST_NAME, RunRecord


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run keeps, and when it ends early.

    Attributes:
        folder: Where everything of the run goes.
        resume: Go on from the folder's last checkpoint, if there is one; without it a folder with a checkpoint is
            refused, so that no run is overwritten.
        checkpoint_minutes: How often a checkpoint is written.
        checkpoint_steps: Likewise in batches, instead of by the clock.
        monitor: Validation figure, larger is better, for the best weights and for stopping early.
        patience: Stop after so many validations without a better figure; None for never.
        average_decay: Of the moving average of the weights; None for no average.
        torch_threads: Threads of the network; None leaves torch's own choice.
    """

    folder: str = "runs/latest"
    resume: bool = False
    checkpoint_minutes: float = 3.0
    checkpoint_steps: int | None = None
    monitor: str = "val/mean_auc"
    patience: int | None = None
    average_decay: float | None = 0.999
    torch_threads: int | None = None


def checkpoint_to_resume(options: RunOptions) -> Path | None:
    """Return the checkpoint to go on from, or None to begin.

    Raises:
        OptionError: The folder has a run already and ``resume`` was not asked for.
    """
    path = Path(options.folder) / LAST_NAME
    if not path.exists():
        return None
    if not options.resume:
        raise OptionError(f"{options.folder} holds a run: go on with --run.resume=true, or name another --run.folder")
    return path


def callbacks_of(options: RunOptions, net_config: dict[str, Any]) -> list[Callback]:
    """Return the callbacks of the run."""
    average = None if options.average_decay is None else WeightAverage(options.average_decay)
    by_clock = options.checkpoint_steps is None
    callbacks: list[Callback] = [
        RunRecord(Path(options.folder), options.monitor, average, net_config),
        LearningRateMonitor("step"),
        ModelCheckpoint(
            dirpath=options.folder,
            filename=Path(LAST_NAME).stem,
            enable_version_counter=False,
            train_time_interval=timedelta(minutes=options.checkpoint_minutes) if by_clock else None,
            every_n_train_steps=options.checkpoint_steps,
            save_on_train_epoch_end=False,
        ),
    ]
    if average is not None:
        callbacks.append(average)
    if options.patience is not None:
        callbacks.append(EarlyStopping(options.monitor, patience=options.patience, mode="max"))
    return callbacks


def loggers_of(options: RunOptions) -> list[Logger]:
    """Return the loggers; each start of a run has a folder of its own in them, so that nothing is overwritten."""
    return [CSVLogger(options.folder, "csv"), TensorBoardLogger(options.folder, "tensorboard")]
