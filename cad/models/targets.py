# SPDX-License-Identifier: Apache-2.0
"""What is true of a batch of windows, as the losses want it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class CadTargets:
    """Labels of a batch; 1 fake, 0 genuine, -1 unknown (not used).

    Attributes:
        video_fake: float32 (batch, time) by slot.
        audio_fake: float32 (batch, time) by slot.
        sync_fake: float32 (batch, time) by slot: lips and sound do not belong together.
        video_label: float32 (batch,) for the window.
        audio_label: float32 (batch,).
        sync_label: float32 (batch,).
        fused_label: float32 (batch,).
        offset_seconds: float32 (batch,) by how much the sound lags behind the lips; used where it is known.
        offset_known: float32 (batch,) 1 where it is.
        event: int64 (batch,) same number = made from the same recording; such rows are no mismatches of each other.
    """

    video_fake: Tensor
    audio_fake: Tensor
    sync_fake: Tensor
    video_label: Tensor
    audio_label: Tensor
    sync_label: Tensor
    fused_label: Tensor
    offset_seconds: Tensor
    offset_known: Tensor
    event: Tensor

    @classmethod
    def from_slots(
        cls,
        video_fake: Tensor,
        audio_fake: Tensor,
        sync_fake: Tensor,
        offset_seconds: Tensor,
        offset_known: Tensor,
        event: Tensor,
        min_fake_slots: int = 3,
    ) -> CadTargets:
        """Derive the windows' labels from the slots'.

        A window is fake when at least ``min_fake_slots`` slots are, genuine when all slots are known and genuine, and
        otherwise unknown: a touch of one slot at the border is no fair question. Fused is fake when any stream is, and
        genuine when no stream is fake and video or audio is known to be genuine.
        """
        slots = (video_fake, audio_fake, sync_fake)
        video, audio, sync = (window_label(stream, min_fake_slots) for stream in slots)
        labels = torch.stack([video, audio, sync])
        any_fake = (labels == 1).any(0)
        touched = torch.stack([(stream == 1).any(1) for stream in slots]).any(0)
        genuine = ~touched & ((video == 0) | (audio == 0))
        fused = torch.where(any_fake, 1.0, torch.where(genuine, 0.0, UNKNOWN))
        return cls(*slots, video, audio, sync, fused, offset_seconds, offset_known, event)


def window_label(slots_fake: Tensor, min_fake_slots: int) -> Tensor:
    """Return float32 (batch,) from (batch, time): see ``CadTargets.from_slots``.

    Example:
        >>> window_label(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), 2)
        tensor([ 1.,  0., -1., -1.])
    """
    fake = (slots_fake == 1).sum(1) >= min_fake_slots
    genuine = (slots_fake == 0).all(1)
    return torch.where(fake, 1.0, torch.where(genuine, 0.0, UNKNOWN))
