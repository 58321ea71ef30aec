# SPDX-License-Identifier: Apache-2.0
"""The two judges of the picture as their fit sees them: an encoder, a line, and what of them learns how fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cad.errors import OptionError
from cad.models import CadModel
from cad.models.encoders.clip import ClipFace

#: ``large`` is the judge of the large encoder, ``small`` that of the small one.
JudgeName = Literal["large", "small"]


@dataclass(frozen=True, slots=True)
class PictureJudge:
    """One judge, whose parts are the net's own.

    Attributes:
        name: Which one.
        encoder: Of the face.
        logits_of: From uint8 (crops, 160, 160, 3) to float32 (crops,); the logit of a clip that is this crop alone.
        encoder_parameters: What of the encoder learns, by name.
        line_parameters: What of the judge learns, by name.
        decays: Whether the encoder's parameters are pulled to zero.
    """

    name: JudgeName
    encoder: nn.Module
    logits_of: Callable[[Tensor], Tensor]
    encoder_parameters: dict[str, nn.Parameter]
    line_parameters: dict[str, nn.Parameter]
    decays: bool

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Everything that learns, by name."""
        return {**self.encoder_parameters, **self.line_parameters}

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(iter(self.line_parameters.values())).device


def judge_of(net: CadModel, name: JudgeName, low_rank: int = 0) -> PictureJudge:
    """Return a judge of ``net``.

    Args:
        net: The net.
        name: Which judge.
        low_rank: Rank of what is added to the attention's matrices of the large encoder while it learns
            (``merge_low_rank`` makes plain weights of it); 0 for nothing.

    Raises:
        OptionError: The net has no such judge, or its large encoder is not CLIP's.
    """
    if name == "small":
        return _small(net)
    encoder, judge = net.large_face_encoder, net.video_head.large
    if not isinstance(encoder, ClipFace) or judge is None:
        raise OptionError(f"net is {net.config.name!r}, which has no large judge of the picture to fit; take cad_base")
    if low_rank:
        _add_low_rank(encoder, low_rank)

    def logits_of(crops: Tensor) -> Tensor:
        present = torch.ones(len(crops), device=crops.device)
        return judge.logits(encoder.look(crops, present).float())

    return PictureJudge(
        name=name,
        encoder=encoder,
        logits_of=logits_of,
        encoder_parameters={f"encoder.{key}": one for key, one in encoder.named_parameters() if one.requires_grad},
        line_parameters={
            f"judge.{key}": one for key, one in judge.named_parameters() if not key.startswith("feature.")
        },
        decays=False,
    )


def _small(net: CadModel) -> PictureJudge:
    encoder, judge = net.face_encoder, net.video_head.face

    def logits_of(crops: Tensor) -> Tensor:
        present = torch.ones(len(crops), 1, device=crops.device)
        tokens, seen = encoder(crops.unsqueeze(1), present)
        logits, _, _ = judge(tokens.float(), seen)
        return torch.as_tensor(logits[:, 0])

    # Urgency and feature have no part in a single crop's logit.
    learns = ("norm.", "logit.")
    return PictureJudge(
        name="small",
        encoder=encoder,
        logits_of=logits_of,
        encoder_parameters={f"encoder.{key}": one for key, one in encoder.named_parameters() if one.requires_grad},
        line_parameters={f"judge.{key}": one for key, one in judge.named_parameters() if key.startswith(learns)},
        decays=True,
    )


class _LowRank(nn.Module):
    """Adds a product of two thin matrices to a weight; nothing before it has learnt. Source: arXiv 2106.09685."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.randn(rank, columns, device=weight.device) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def _attention_layers(encoder: ClipFace) -> list[nn.Module]:
    blocks: Any = encoder.net.blocks
    return [layer for block in blocks for layer in (block.attn.qkv, block.attn.proj)]


def _add_low_rank(encoder: ClipFace, rank: int) -> None:
    for layer in _attention_layers(encoder):
        if not parametrize.is_parametrized(layer, "weight"):
            parametrize.register_parametrization(layer, "weight", _LowRank(torch.as_tensor(layer.weight), rank))


def merge_low_rank(net: CadModel) -> None:
    """Make plain weights of what ``judge_of`` added to the large encoder; nothing where it added nothing."""
    if isinstance(net.large_face_encoder, ClipFace):
        for layer in _attention_layers(net.large_face_encoder):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
                layer.requires_grad_(False)
