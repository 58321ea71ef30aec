# SPDX-License-Identifier: Apache-2.0
"""Net tells training, checkpoints and export what they may ask of every network that has a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from cad.models.config import NetConfig
from cad.models.output import CadOutput


class Net(nn.Module):
    """Windows in, logits out, by the contract of ``cad.spec``.

    A network that lacks a head says so in ``config.heads`` and gives 0 for it (for ``fused``: its only stream's logit);
    the graph has all outputs all the same.

    Attributes:
        config: Its whole architecture.
        max_slots: The longest window that it can take; None for any.
    """

    config: NetConfig
    max_slots: int | None = None

    def forward(
        self,
        frames: Tensor,
        audio: Tensor,
        frames_present: Tensor,
        audio_present: Tensor,
        *,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> CadOutput:
        """Judge a batch of windows.

        Args:
            frames: uint8 (batch, time, 160, 160, 3) aligned RGB face crops at 25 Hz.
            audio: float32 (batch, time * 640) in [-1, 1] at 16 kHz.
            frames_present: float32 (batch, time).
            audio_present: float32 (batch, time).
            keep_video: float32 (batch,); 0 drops the picture of a row in training as if it were absent.
            keep_audio: float32 (batch,); likewise for the sound.
        """
        raise NotImplementedError

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load published starting weights into every part that has some.

        Args:
            starts: Where those of ``config.starts`` were found (``find_starts``).

        Raises:
            MissingExtraError: A package that carries them is not installed.
            WeightsError: They cannot be read or do not fit.
        """
