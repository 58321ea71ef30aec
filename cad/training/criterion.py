# SPDX-License-Identifier: Apache-2.0
"""``CadCriterion`` puts the losses of ``cad.models`` on the batches of training; labels follow dropped streams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cad.models.losses import Losses, LossWeights, cad_loss
from cad.models.output import CadOutput
from cad.models.targets import CadTargets
from cad.training.batches import Batch
from cad.training.labels import UNKNOWN


class CadCriterion(nn.Module):
    """The terms of ``cad.models.losses``, weighted.

    Args:
        weights: Of each term; None for the losses' own.
    """

    def __init__(self, weights: LossWeights | None = None) -> None:
        super().__init__()
        self.weights = weights or LossWeights()

    def forward(self, output: CadOutput, batch: Batch) -> Losses:
        """Return the weighted sum and the terms."""
        return cad_loss(output, targets_of(batch), self.weights)


def targets_of(batch: Batch) -> CadTargets:
    """Return the targets of a batch for the losses."""
    known = ~torch.isnan(batch.offset_seconds)
    return CadTargets(
        slot_labels=batch.slot_labels,
        clip_labels=batch.clip_labels,
        offset_seconds=torch.where(known, batch.offset_seconds, 0.0),
        offset_known=known.float(),
        event=batch.event,
    )


def labels_without(labels: Tensor, keep_video: Tensor, keep_audio: Tensor) -> Tensor:
    """Return the clip labels (batch, 4) that hold when streams are dropped; those of dropped streams become unknown.

    Args:
        labels: (batch, 4) fused, video, audio, sync.
        keep_video: (batch,) 0 where the picture is dropped.
        keep_audio: (batch,) 0 where the sound is dropped.

    Example:
        >>> dubbed = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
        >>> labels_without(dubbed, torch.ones(1), torch.zeros(1)).tolist()
        [[0.0, 0.0, -1.0, -1.0]]
    """
    kept = torch.stack([keep_video, keep_audio, keep_video * keep_audio], 1) > 0
    streams = torch.where(kept, labels[:, 1:], UNKNOWN)
    known = streams.amax(1)
    is_whole = kept.all(1)
    return torch.cat([torch.where(is_whole, labels[:, 0], known).unsqueeze(1), streams], 1)
