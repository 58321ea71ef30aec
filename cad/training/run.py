# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: the callbacks, logger and checkpoints that belong to it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from cad.errors import OptionError
from cad.training.averaging import WeightAverage
from cad.training.checkpoints import (
    LAST_NAME,
    PREVIOUS_NAME,
    RESUME_WORDS,
    Checkpoints,
    FoundCheckpoint,
    newest_whole,
)
from cad.training.record import RunRecord
from cad.training.stopping import StopRequest


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run keeps, and when it ends early.

    Attributes:
        folder: Where everything of the run goes.
        resume: Go on from the folder's last checkpoint, if there is one; without it a folder with a checkpoint is
            refused, so that no run is overwritten.
        checkpoint_minutes: How often a checkpoint is written; the one before is kept, too.
        checkpoint_steps: Likewise in optimizer steps, instead of by the clock.
        monitor: Validation figure, larger is better, for the best weights and for stopping early.
        patience: Stop after so many validations without a better figure; None for never.
        average_decay: Of the moving average of the weights; None for no average.
        torch_threads: Threads of the network; None leaves torch's own choice. The last bits of the weights depend on
            it.

    Raises:
        OptionError: A number is not positive, or the monitored figure is none of the validation's.
    """

    folder: str = "runs/latest"
    resume: bool = False
    checkpoint_minutes: float = 3.0
    checkpoint_steps: int | None = None
    monitor: str = "val/mean_auc"
    patience: int | None = None
    average_decay: float | None = 0.999
    torch_threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("checkpoint_minutes", "checkpoint_steps", "patience", "torch_threads"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"run.{name} must be more than 0, got {value}")
        if not self.monitor.startswith("val/"):
            raise OptionError(f"run.monitor is a figure of the validation, such as val/mean_auc, got {self.monitor!r}")


def prepare_folder(options: RunOptions) -> FoundCheckpoint | None:
    """Make the run's folder and return the checkpoint to go on from, or None to begin.

    Raises:
        OptionError: The folder has a run already and ``resume`` was not asked for.
        DataError: None of its checkpoints is whole.
        OSError: The folder cannot be written to.
    """
    folder = Path(options.folder)
    if not options.resume and any((folder / name).exists() for name in (LAST_NAME, PREVIOUS_NAME)):
        raise OptionError(f"{folder} holds a run: go on with {RESUME_WORDS}, or name another --run.folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"run.folder: {folder} cannot be written to: {error.strerror}") from error
    return newest_whole(folder) if options.resume else None


def callbacks_of(options: RunOptions, net_config: dict[str, Any], stop: StopRequest) -> list[Callback]:
    """Return the callbacks of the run, which saves and ends when it is asked to ``stop``."""
    folder = Path(options.folder)
    average = None if options.average_decay is None else WeightAverage(options.average_decay)
    callbacks: list[Callback] = [RunRecord(folder, options.monitor, average, net_config), LearningRateMonitor("step")]
    if average is not None:
        callbacks.append(average)
    if options.patience is not None:
        callbacks.append(EarlyStopping(options.monitor, patience=options.patience, mode="max"))
    # Last, so that a checkpoint has what the others made of the same moment.
    callbacks.append(Checkpoints(folder, options.checkpoint_minutes, options.checkpoint_steps, average, stop))
    return callbacks


def logger_of(options: RunOptions, found: FoundCheckpoint | None) -> Logger:
    """Return the logger for TensorBoard, which forgets what came after the checkpoint that is gone on from."""
    return TensorBoardLogger(
        options.folder, "tensorboard", version="", purge_step=None if found is None else found.step
    )
