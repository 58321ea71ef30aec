# SPDX-License-Identifier: Apache-2.0
"""Small networks of the family, made of the same classes as the full ones, and inputs for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cad.models import CadModel, create_model

SMALL_OPTIONS: dict[str, Any] = {
    "face_options": {"last_stage": 1},
    "lip_encoder": "lip_net",
    "lip_options": {"width": 32, "stages": (4, 8, 8, 8)},
    "video_uses_lips": True,
    "speech_options": {"layers": 2, "width": 16, "heads": 2},
    "voice_change": False,
    "voice_members": 1,
    "width": 32,
    "prototypes": 8,
}
BASE_OPTIONS: dict[str, Any] = {
    "face_options": {"last_stage": 1},
    "large_face_options": {
        "model_options": {"img_size": 32, "patch_size": 16, "embed_dim": 32, "num_heads": 2},
        "blocks": 2,
    },
    "lip_options": {"net_width": 16},
    "speech_options": {"layers": 2, "width": 16, "heads": 2},
    "voice_change": False,
    "voice_members": 1,
    "width": 32,
    "prototypes": 8,
}
#: Of the whole encoder of Whisper with adapters, in place of ``cad_base``'s few layers.
HUB_OPTIONS: dict[str, Any] = {
    "model_options": {
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "max_source_positions": 200,
    },
    "rank": 2,
}


def tiny_small(**options: Any) -> CadModel:
    return with_opinions(create_model("cad_small", **{**SMALL_OPTIONS, **options})).eval()


def tiny_shapes(**options: Any) -> CadModel:
    """Lips as shapes, which only the alignment sees."""
    shapes = {"lip_encoder": "lip_shapes", "lip_options": {"net_width": 16}, "video_uses_lips": False}
    return tiny_small(**{**shapes, **options})


def tiny_base(**options: Any) -> CadModel:
    return with_opinions(create_model("cad_base", **{**BASE_OPTIONS, **options})).eval()


def with_opinions(model: CadModel) -> CadModel:
    """Give random values to what starts at zero, so that every path shows in the outputs."""
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.1)
    return model


def windows(batch: int = 2, time: int = 12) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    frames = torch.randint(0, 256, (batch, time, 160, 160, 3), dtype=torch.uint8)
    audio = torch.randn(batch, time * 640) * 0.1
    return frames, audio, torch.ones(batch, time), torch.ones(batch, time)


def norm_layers(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
