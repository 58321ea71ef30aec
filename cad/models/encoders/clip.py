# SPDX-License-Identifier: Apache-2.0
"""Face encoder of cad_base: CLIP's image transformer with low-rank adapters, on sixteen frames of the window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.models.encoders.adapters import Adapted
from cad.models.encoders.frames import images_of
from cad.models.encoders.hub import from_hub
from cad.models.encoders.interfaces import FaceEncoder

#: Source: arXiv 2103.00020's published preprocessing.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipFace(FaceEncoder):
    """CLIP ViT-B/16: adapters on for the specific path, passed by for the shared one.

    Source: arXiv 2103.00020, timm's ``vit_base_patch16_clip_224.openai`` (MIT).

    Args:
        model: Name in timm.
        model_options: Changes of its architecture, for small ones in tests.
        frames_per_window: Frames looked at, spread evenly over the window, whatever its length.
        rank: Of the adapters.
        dropout: Before the adapters, in training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        model: str = "vit_base_patch16_clip_224.openai",
        model_options: Mapping[str, Any] | None = None,
        frames_per_window: int = 16,
        rank: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        net: Any = timm.create_model(model, pretrained=False, num_classes=0, **(model_options or {}))
        self.model = model
        self.frames_per_window = frames_per_window
        self.width = int(net.num_features)
        self.size_px = int(net.patch_embed.img_size[0])
        self.adapted = Adapted(net, ("attn.qkv", "attn.proj"), rank, dropout)
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode with adapters (see FaceEncoder)."""
        return self._encode(frames, frames_present)

    def shared(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode without adapters (see FaceEncoder)."""
        with self.adapted.passed_by():
            return self._encode(frames, frames_present)

    def load_pretrained(self) -> None:
        """Load CLIP's weights from the hub (see FaceEncoder)."""
        state = from_hub(self.model, lambda: timm.create_model(self.model, pretrained=True, num_classes=0).state_dict())
        self.adapted.load_base(state, self.model)

    def _encode(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        batch, slots = frames_present.shape
        chosen = _spread(slots, self.frames_per_window, frames.device)
        seen = frames_present.index_select(1, chosen)
        images = self._normalised(frames.index_select(1, chosen), seen)
        tokens = self._net()(images).reshape(batch, self.frames_per_window, self.width)
        nearest = torch.arange(slots, device=frames.device) * self.frames_per_window // slots
        return tokens.index_select(1, nearest), seen.index_select(1, nearest)

    def _normalised(self, frames: Tensor, seen: Tensor) -> Tensor:
        images = images_of(frames, seen, mean=0.0, deviation=255.0)
        images = F.interpolate(images, size=(self.size_px, self.size_px), mode="bilinear", align_corners=False)
        normalised: Tensor = (images - self.mean) / self.deviation
        return normalised

    def _net(self) -> nn.Module:
        return self.adapted.net


def _spread(slots: int, count: int, device: torch.device) -> Tensor:
    """Return int64 (count,): the slots in the middle of ``count`` equal parts of the window."""
    return (2 * torch.arange(count, device=device) + 1) * slots // (2 * count)
