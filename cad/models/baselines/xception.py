# SPDX-License-Identifier: Apache-2.0
"""Xception gives comparisons the picture net that FaceForensics++ made the usual one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from cad.models.baselines.picture import PictureConfig, PictureNet
from cad.models.pretrained.assign import assign
from cad.models.pretrained.tensors import read_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class XceptionConfig(PictureConfig):
    """Architecture of Xception.

    Attributes:
        model: Name in timm.
        dropout: Before the last layer.
    """

    name: str = "xception"
    size_px: int = 299
    model: str = "legacy_xception"
    dropout: float = 0.5

    @property
    def starts(self) -> Mapping[str, str]:
        """ImageNet weights."""
        return {"imagenet": "xception"}


class Xception(PictureNet):
    """Xception of timm, its pooled features, and one layer.

    Source: Chollet, CVPR 2017, arXiv 1610.02357; as a detector of forged faces Roessler et al., FaceForensics++, ICCV
    2019, arXiv 1901.08971. They begin from ImageNet and cut the face with a margin of 0.3; here the crops are those of
    every other net of this project.

    Args:
        config: The architecture.
    """

    def __init__(self, config: XceptionConfig) -> None:
        net: Any = timm.create_model(config.model, pretrained=False, num_classes=0)
        mean, deviation = ([255.0 * value for value in net.pretrained_cfg[key]] for key in ("mean", "std"))
        super().__init__(config, mean, deviation)
        self.net: nn.Module = net
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(net.num_features, 1))

    def judge(self, images: Tensor) -> Tensor:
        """Return the logits of images (see PictureNet)."""
        logits: Tensor = self.classifier(self.net(images)).squeeze(-1)
        return logits

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load ImageNet weights from a file in timm's names, where there is one (see Net)."""
        path = starts.get("imagenet")
        if path is not None:
            body = {name: value for name, value in read_tensors(path).items() if not name.startswith("fc.")}
            assign(self.net, body, str(path))
