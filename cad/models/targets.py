# SPDX-License-Identifier: Apache-2.0
"""CadTargets tells the losses what is true of a batch of windows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class CadTargets:
    """Labels of a batch; 1 fake, 0 genuine, -1 unknown (not used).

    Attributes:
        slot_labels: float32 (batch, 3, time) by slot: video, audio, sync (lips and sound do not belong together).
        clip_labels: float32 (batch, 4) for the window: fused, video, audio, sync.
        offset_seconds: float32 (batch,) by how much the sound lags behind the lips; used where it is known.
        offset_known: float32 (batch,) 1 where it is.
        event: int64 (batch,) same number = made from the same recording; such rows are no mismatches of each other.
    """

    slot_labels: Tensor
    clip_labels: Tensor
    offset_seconds: Tensor
    offset_known: Tensor
    event: Tensor
