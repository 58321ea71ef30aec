# SPDX-License-Identifier: Apache-2.0
"""FaceEncoder, LipEncoder and SpeechEncoder tell authors of encoders what a CAD network asks of them.

Each encoder has two paths: the *shared* one feeds alignment (what lips and sound say), the *specific* one feeds the
stream's own head (traces of forgery). An encoder without adapters gives the same tokens on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from cad.models.logmel import LogMel


class PretrainedEncoder(nn.Module):
    """An encoder that can start from published weights."""

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load published starting weights.

        Args:
            starts: Where those are that do not come from a package, by the caller's name for them.

        Raises:
            MissingExtraError: The package that carries them is not installed.
            WeightsError: They cannot be read or do not fit.
        """
        raise NotImplementedError


class FaceEncoder(PretrainedEncoder):
    """Tokens from the whole face crop on a few frames of the window.

    Attributes:
        width: Features of a token.
    """

    width: int

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode for the specific path.

        Args:
            frames: uint8 (batch, time, 160, 160, 3).
            frames_present: float32 (batch, time).

        Returns:
            Tokens on the 25 Hz grid (batch, time, width) and the presence (batch, time) of the frames behind them.
        """
        raise NotImplementedError

    def shared(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode for the shared path, like ``forward``."""
        tokens: tuple[Tensor, Tensor] = self(frames, frames_present)
        return tokens


class LipEncoder(nn.Module):
    """Tokens from the mouth region of every frame.

    Attributes:
        width: Features of a token.
    """

    width: int

    def forward(self, frames: Tensor, frames_present: Tensor) -> Tensor:
        """Encode.

        Args:
            frames: uint8 (batch, time, 160, 160, 3).
            frames_present: float32 (batch, time).

        Returns:
            (batch, time, width).
        """
        raise NotImplementedError


class SpeechEncoder(PretrainedEncoder):
    """Tokens from the sound.

    Attributes:
        width: Features of a token.
        tokens_per_slot: Tokens in a 25 Hz slot.
        log_mel: The spectrogram that it reads.
        max_slots: The longest window that it can take; None for any.
    """

    width: int
    tokens_per_slot: int
    max_slots: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel()

    def forward(self, audio: Tensor, audio_present: Tensor) -> Tensor:
        """Encode samples for the shared path.

        Args:
            audio: float32 (batch, time * 640).
            audio_present: float32 (batch, time).

        Returns:
            (batch, time * tokens_per_slot, width).
        """
        return self.encode(self.log_mel(audio, audio_present))

    def encode(self, log_mel: Tensor) -> Tensor:
        """Encode a spectrogram (batch, 80, time * 4) for the shared path."""
        raise NotImplementedError

    def encode_specific(self, log_mel: Tensor, shared: Tensor) -> Tensor:
        """Encode for the specific path; ``shared`` is what ``encode`` gave for the same sound."""
        return shared
