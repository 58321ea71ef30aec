# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a run: when they are written, and the last whole one that a resumed run goes on from.

A run is one pass over its batches. A checkpoint is taken after an optimizer step, and it says whether a validation was
still due there, so that the run that goes on from it is the run that was never stopped.
"""

from __future__ import annotations

import logging
import pickle
import shlex
import signal
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cad.errors import DataError
from cad.training.averaging import WeightAverage
from cad.training.stopping import StopRequest
from cad.training.whole_files import written_beside

#: Where Lightning's own state is kept, to go on from, and the one before it.
LAST_NAME, PREVIOUS_NAME = "last.ckpt", "previous.ckpt"
RESUME_WORDS = "--run.resume=true"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A checkpoint that can be gone on from.

    Attributes:
        path: The file.
        step: Optimizer steps that are in it.
    """

    path: Path
    step: int


def newest_whole(folder: Path) -> FoundCheckpoint | None:
    """Return the newest checkpoint of a run's folder that is whole, or None where there is none at all.

    Raises:
        DataError: There are checkpoints, but all are torn.
    """
    torn = []
    for path in (folder / LAST_NAME, folder / PREVIOUS_NAME):
        if not path.exists():
            continue
        try:
            found = FoundCheckpoint(path, _step_of(path))
        except DataError as error:
            torn.append(str(error))
            continue
        for text in torn:
            _log.warning("%s; going on from %s, step %d", text, path, found.step)
        return found
    if torn:
        raise DataError(f"{'; '.join(torn)}: delete {folder} to begin anew, or name another --run.folder")
    return None


def _step_of(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is None:
            return int(torch.load(path, map_location="cpu", mmap=True, weights_only=True)["global_step"])
    except (zipfile.BadZipFile, EOFError, RuntimeError, KeyError, pickle.UnpicklingError):
        pass
    raise DataError(f"{path} is torn")


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's writer of checkpoints, but beside and moved; the one before stays as ``previous.ckpt``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            OSError: It cannot be written; the ones before are untouched.
        """
        path = Path(path)
        with written_beside(path, path.with_name(PREVIOUS_NAME)) as part, part.open("wb") as stream:
            try:
                torch.save(checkpoint, stream)
            except RuntimeError as error:  # how torch puts that the stream failed
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` by the clock or by steps, and when the run is asked to stop.

    Args:
        folder: The run's folder.
        minutes: How often by the clock.
        steps: Likewise in optimizer steps, instead of by the clock.
        average: Whose weights are in place while a validation runs.
        stop: What asks the run to stop.
    """

    def __init__(
        self, folder: Path, minutes: float, steps: int | None, average: WeightAverage | None, stop: StopRequest
    ) -> None:
        self._path = folder / LAST_NAME
        self._seconds, self._steps = 60 * minutes, steps
        self._average, self._stop = average, stop
        self._saved_at, self._last_step = time.monotonic(), 0
        self._is_validation_due = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Make up for a validation that the checkpoint had still to come, and watch for signals."""
        if self._is_validation_due:
            # Lightning takes a validation that was due at its last batch for done.
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.restarting = False
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True
        self._saved_at, self._last_step = time.monotonic(), trainer.global_step
        self._stop.defer()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where it is time, after an optimizer step: no checkpoint has gradients that are still being summed."""
        if trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        self._is_validation_due = _validates_after(trainer, batch_idx)
        if batch_idx + 1 == trainer.num_training_batches and not self._is_validation_due:
            return  # the end of the run saves
        if self._steps is None:
            is_time = time.monotonic() - self._saved_at >= self._seconds
        else:
            is_time = trainer.global_step % self._steps == 0
        stops = self._is_asked_to_stop(trainer)
        if stops or trainer.strategy.reduce_boolean_decision(is_time, all=False):
            self._save(trainer)
        if stops:
            self._leave(trainer)

    def on_validation_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Leave a validation for the resumed run to repeat."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and self._is_asked_to_stop(trainer):
            if self._average is not None:
                self._average.put_back(pl_module)
            self._save(trainer)
            self._leave(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note that the validation is done."""
        self._is_validation_due = False

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the last step."""
        self._save(trainer)
        self._stop.release()

    def state_dict(self) -> dict[str, Any]:
        """Return whether a validation is due."""
        return {"is_validation_due": self._is_validation_due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take whether a validation is due."""
        self._is_validation_due = bool(state_dict["is_validation_due"])

    def _is_asked_to_stop(self, trainer: lightning.Trainer) -> bool:
        # All processes of a parallel run stop at the same step, whichever of them was asked.
        return bool(trainer.strategy.reduce_boolean_decision(self._stop.signal_number is not None, all=False))

    def _save(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self._path)
        self._saved_at = time.monotonic()

    def _leave(self, trainer: lightning.Trainer) -> None:
        if trainer.is_global_zero:
            words = [word for word in sys.argv if not word.startswith("--run.resume")]
            command = shlex.join(["python", *words, RESUME_WORDS])
            _log.info("stopped at step %d and saved %s; to go on: %s", trainer.global_step, self._path, command)
        raise SystemExit(128 + (self._stop.signal_number or signal.SIGTERM))


def _validates_after(trainer: lightning.Trainer, batch_idx: int) -> bool:
    every = trainer.val_check_batch
    return bool(trainer.enable_validation and every and (batch_idx + 1) % every == 0)
