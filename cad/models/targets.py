# SPDX-License-Identifier: Apache-2.0
"""CadTargets tells the losses what is true of a batch of windows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
