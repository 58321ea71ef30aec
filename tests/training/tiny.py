# SPDX-License-Identifier: Apache-2.0
"""A net and losses that train in milliseconds, with the parts that make resuming hard: dropout and BatchNorm."""

from __future__ import annotations

import os
import signal

import torch
from lightning.pytorch import Callback
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
