# SPDX-License-Identifier: Apache-2.0
"""Meso4 gives comparisons the small picture net of MesoNet."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cad.models.baselines.picture import PictureConfig, PictureNet

#: Channels, kernel and pooling of the four stages.
_STAGES = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))
_HIDDEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Meso4Config(PictureConfig):
    """Architecture of Meso4.

    Attributes:
        size_px: Side to which the crops are scaled; a multiple of 32.
        dropout: Before both layers of the classifier.
    """

    name: str = "meso4"
    size_px: int = 256
    dropout: float = 0.5


class Meso4(PictureNet):
    """Four convolutions with wide pooling, then two layers: 27,977 parameters at the paper's size.

    Source: Afchar et al., MesoNet, WIFS 2018, arXiv 1809.00888, section 3.1. Its input is a face of 256 px with values
    from 0 to 1, and a video is judged by the mean over its frames. That the crops come at 160 px and that only every
    fifth frame is looked at is this project's.

    Args:
        config: The architecture.
    """

    def __init__(self, config: Meso4Config) -> None:
        super().__init__(config, mean=(0.0, 0.0, 0.0), deviation=(255.0, 255.0, 255.0))
        layers: list[nn.Module] = []
        for before, (channels, kernel, pool) in zip((3, *(c for c, _, _ in _STAGES)), _STAGES, strict=False):
            layers += [
                nn.Conv2d(before, channels, kernel, padding=kernel // 2),
                nn.ReLU(),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d(pool),
            ]
        self.stages = nn.Sequential(*layers)
        last, side = _STAGES[-1][0], config.size_px // 32
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(last * side * side, _HIDDEN),
            nn.LeakyReLU(0.1),
            nn.Dropout(config.dropout),
            nn.Linear(_HIDDEN, 1),
        )

    def judge(self, images: Tensor) -> Tensor:
        """Return the logits of images (see PictureNet)."""
        logits: Tensor = self.classifier(self.stages(images)).squeeze(-1)
        return logits
