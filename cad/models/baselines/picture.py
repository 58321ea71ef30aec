# SPDX-License-Identifier: Apache-2.0
"""PictureNet makes of a net that judges single pictures one that judges windows; its sound is not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cad.errors import OptionError
from cad.models.config import NetConfig
from cad.models.encoders.frames import every, hold
from cad.models.masks import masked_mean
from cad.models.net import Net
from cad.models.output import CadOutput, StreamPresence
from cad.models.rows import rows_with


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureConfig(NetConfig):
    """What the nets on single pictures have in common.

    Attributes:
        size_px: Side to which the crops are scaled.
        frame_stride: One frame in so many is looked at; its logit stands until the next.
    """

    size_px: int
    frame_stride: int = 5

    def __post_init__(self) -> None:
        if min(self.size_px, self.frame_stride) < 1:
            raise OptionError(f"{self.name}: size_px and frame_stride must be 1 or more")

    @property
    def heads(self) -> tuple[str, ...]:
        """The picture, which the fused logit repeats."""
        return ("video",)


class PictureNet(Net):
    """Judges every few frames by themselves; the window's logit is the mean over those that are present.

    Args:
        config: Size and stride.
        mean: Subtracted from red, green and blue, in grey levels.
        deviation: Their divisor, in grey levels.
    """

    config: PictureConfig
    mean: Tensor
    deviation: Tensor

    def __init__(self, config: PictureConfig, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, 3, 1, 1), persistent=False)

    def judge(self, images: Tensor) -> Tensor:
        """Return the logits (n,) of normalised images, float32 (n, 3, size_px, size_px)."""
        raise NotImplementedError

    def forward(
        self,
        frames: Tensor,
        audio: Tensor,
        frames_present: Tensor,
        audio_present: Tensor,
        *,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> CadOutput:
        """Judge a batch of windows (see Net)."""
        present = frames_present if keep_video is None else frames_present * keep_video.unsqueeze(1)
        stride, slots = self.config.frame_stride, frames.shape[1]
        seen = every(present, stride)
        (logits,) = rows_with(seen.reshape(-1, 1), self._judged, every(frames, stride).flatten(0, 1))
        by_frame = logits.reshape(seen.shape) * seen
        clip = masked_mean(by_frame.unsqueeze(-1), seen).squeeze(-1)
        nothing, silence = torch.zeros_like(clip), torch.zeros_like(present)
        return CadOutput(
            # Detached: a forged voice makes the clip fake, which must not teach that its picture is.
            fused_logit=clip.detach(),
            video_logit=clip,
            audio_logit=nothing,
            sync_logit=nothing,
            video_frame_logits=hold(by_frame, stride, slots) * present,
            audio_frame_logits=silence,
            sync_frame_logits=silence,
            offset_seconds=nothing,
            features=StreamPresence(
                video_present=hold(seen, stride, slots) * present,
                audio_present=silence,
                stream_present=torch.stack([seen.amax(1), nothing, nothing], dim=1),
            ),
        )

    def _judged(self, pictures: Tensor) -> tuple[Tensor]:
        images = pictures.permute(0, 3, 1, 2).to(self.mean.dtype)
        size = (self.config.size_px, self.config.size_px)
        scaled = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
        return (self.judge((scaled - self.mean) / self.deviation),)
