# SPDX-License-Identifier: Apache-2.0
"""Distillation: the joint representation and each specific one predict each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    The stop-gradient on what is predicted is in the loss (``cad.models.losses.distillation_loss``).

    Args:
        width: Features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.joint_from_video = Predictor(width)
        self.joint_from_audio = Predictor(width)
        self.video_from_joint = Predictor(width)
        self.audio_from_joint = Predictor(width)

    def forward(self, video: Tensor, audio: Tensor, joint: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four predictions, each (batch, width), in the order of the class's text."""
        return (
            self.joint_from_video(video),
            self.joint_from_audio(audio),
            self.video_from_joint(joint),
            self.audio_from_joint(joint),
        )


def feature_spread(feature: Tensor) -> Tensor:
    """Return how far the normalised features of a batch are spread: about 1 is healthy, 0 is collapse.

    Source: SimSiam, arXiv 2011.10566, section 4.1: the deviation of the unit vectors over the batch, here times the
    root of the width.

    Args:
        feature: (batch, width), at least two rows.

    Returns:
        () in [0, about 1].
    """
    units = F.normalize(feature.float(), dim=-1)
    return units.std(dim=0, unbiased=False).mean() * torch.tensor(float(feature.shape[-1])).sqrt()
