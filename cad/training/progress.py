# SPDX-License-Identifier: Apache-2.0
"""``ProgressLines`` says now and then how far a run is, where no terminal shows a bar."""

from __future__ import annotations

import logging
import time
from typing import Any

import lightning
from lightning.pytorch import Callback

_log = logging.getLogger(__name__)


class ProgressLines(Callback):
    """Logs one line a minute, while training and while validating.

    Args:
        seconds: From one line to the next.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._said_at = self._began_at = time.monotonic()
        self._first_batch = 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin to count."""
        self._said_at = self._began_at = time.monotonic()
        self._first_batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how far training is, how fast, and how long the rest takes at this rate, validations included."""
        if not self._is_time(trainer):
            return
        done = batch_idx + 1 - self._first_batch
        rate = done / (time.monotonic() - self._began_at)
        minutes = (trainer.num_training_batches - batch_idx - 1) / rate / 60
        loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
        _log.info(
            "batch %d of %d, step %d, loss %.3f, %.2f batches/s, about %.0f minutes left",
            batch_idx + 1, trainer.num_training_batches, trainer.global_step, loss, rate, minutes,
        )  # fmt: skip

    def on_validation_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any,
        batch_idx: int, dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Say how far a validation is."""
        if self._is_time(trainer):
            _log.info("validating: batch %d of %s", batch_idx + 1, trainer.num_val_batches[dataloader_idx])

    def _is_time(self, trainer: lightning.Trainer) -> bool:
        now = time.monotonic()
        if not trainer.is_global_zero or now - self._said_at < self._seconds:
            return False
        self._said_at = now
        return True
