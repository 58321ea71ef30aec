# SPDX-License-Identifier: Apache-2.0
"""A net and losses that train in milliseconds, with the parts that make resuming hard: dropout and BatchNorm."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from cad.models.losses import Losses
from cad.models.output import CadOutput
from cad.training.batches import Batch


class TinyNet(nn.Module):
    """Mean colour and loudness by slot, through one layer each."""

    def __init__(self, width: int = 8, dropout: float = 0.2) -> None:
        super().__init__()
        self.face = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Dropout(dropout))
        self.face.origin = "this test"  # it may rest: its start counts as chosen
        self.voice = nn.Sequential(nn.Linear(1, width), nn.ReLU())
        self.norm = nn.BatchNorm1d(2 * width)
        self.heads = nn.Linear(2 * width, 4)

    def forward(self, frames: Tensor, audio: Tensor, frames_present: Tensor, audio_present: Tensor) -> CadOutput:
        seen = self.face(frames[:, :, ::16, ::16].float().mean((2, 3)) / 255)
        heard = self.voice(audio.reshape(len(audio), -1, 640).square().mean(2, keepdim=True))
        slots = torch.cat([seen * frames_present.unsqueeze(-1), heard * audio_present.unsqueeze(-1)], -1)
        by_slot = self.heads(self.norm(slots.transpose(1, 2)).transpose(1, 2))
        clip = by_slot.mean(1)
        return CadOutput(*clip.unbind(1), *by_slot[..., 1:].unbind(2), clip[:, 0] * 0.1, None)  # type: ignore[arg-type]


class TinyLosses(nn.Module):
    """Cross-entropy of what is known of the clip."""

    def forward(self, output: CadOutput, batch: Batch) -> Losses:
        logits = torch.stack([output.fused_logit, output.video_logit, output.audio_logit, output.sync_logit], 1)
        known = batch.clip_labels >= 0
        loss = F.binary_cross_entropy_with_logits(logits[known], batch.clip_labels[known])
        return Losses(loss, {"clip": loss.detach()})


class Killed(Callback):
    """Ends the process as a power cut would, after so many batches."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_batch_end(
        self, trainer: object, pl_module: object, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if batch_idx + 1 == self.after:
            os.kill(os.getpid(), signal.SIGKILL)


class Signalled(Callback):
    """Sends the process a signal in the middle of things, as a terminal or a scheduler does.

    Args:
        number: Of the signal.
        place: ``train`` or ``validation``.
        after: Training batches that are done by then.
    """

    def __init__(self, number: int, place: str, after: int) -> None:
        self.number, self.place, self.after = number, place, after
        self.done = 0

    def on_train_batch_start(self, *args: object) -> None:
        if self.place == "train" and self.done == self.after:
            self._send()

    def on_train_batch_end(self, *args: object) -> None:
        self.done += 1

    def on_validation_batch_start(self, *args: object) -> None:
        if self.place == "validation":
            self._send()

    def _send(self) -> None:
        # To the whole group, as a terminal does: the loader's workers get it, too.
        os.killpg(os.getpgrp(), self.number)


class SignalledTwice(Callback):
    """Sends the process SIGINT twice within a step; after each a file says that it is still there."""

    def on_train_batch_start(self, trainer: Trainer, *args: object) -> None:
        for name in ("heard_one", "heard_two"):
            os.kill(os.getpid(), signal.SIGINT)
            Path(trainer.default_root_dir, name).touch()


class DiskFull(Callback):
    """Lets no file grow any more after so many batches; the system answers as a full disk does."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_batch_end(
        self, trainer: object, pl_module: object, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if batch_idx + 1 == self.after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
