# SPDX-License-Identifier: Apache-2.0
"""Distillation gives the losses what the joint representation and each specific one predict of each other."""

from __future__ import annotations

from torch import Tensor, nn


class Predictor(nn.Module):
    """Bottleneck network that predicts one representation from another.

    Source: SimSiam, arXiv 2011.10566 (a bottleneck of a quarter of the width; layer instead of batch normalisation,
    since our batches are small and rows may lack a stream).

    Args:
        width: Features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(width // 4, 8)
        self.network = nn.Sequential(
            nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, width)
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Map (batch, width) to (batch, width)."""
        predicted: Tensor = self.network(feature)
        return predicted


class Distillation(nn.Module):
    """Four predictors: joint from video, joint from audio, video from joint, audio from joint.

    The loss puts the stop-gradient on what is predicted (``cad.models.losses.distillation_loss``).

    Args:
        width: Features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.joint_from_video = Predictor(width)
        self.joint_from_audio = Predictor(width)
        self.video_from_joint = Predictor(width)
        self.audio_from_joint = Predictor(width)

    def forward(self, video: Tensor, audio: Tensor, joint: Tensor) -> dict[str, Tensor]:
        """Return the four predictions, each (batch, width), by their names in CadFeatures."""
        return {
            "joint_from_video": self.joint_from_video(video),
            "joint_from_audio": self.joint_from_audio(audio),
            "video_from_joint": self.video_from_joint(joint),
            "audio_from_joint": self.audio_from_joint(joint),
        }
