# SPDX-License-Identifier: Apache-2.0
"""AudioHead and VideoHead give the network what each stream alone says: a clip logit, frame logits and a feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cad.models.masks import changes, local_mean, local_statistics, masked_mean, masked_softmax, masked_statistics
from cad.models.standardize import RunningStandardizer

#: Hidden units of each member of the audio head.
MEMBER_UNITS = 48


@dataclass(frozen=True, slots=True)
class StreamJudgement:
    """One stream's opinion.

    Attributes:
        clip_logit: (batch,), 0 where the stream is absent.
        frame_logits: (batch, time), 0 where the slot is absent.
        feature: (batch, width).
        present: (batch,) 1 where there was anything to judge.
    """

    clip_logit: Tensor
    frame_logits: Tensor
    feature: Tensor
    present: Tensor


class AudioHead(nn.Module):
    """A small network on statistics of the speech tokens, for the clip and around each slot.

    The statistics are each feature's mean and deviation and, if ``sees_change``, by how much it changes in the mean
    from one token to the next. Source: statistics pooling of x-vectors (Snyder et al., ICASSP 2018). With a few dozen
    hidden units and strong dropout it transfers to sources that training never saw a little better than one linear map
    does.

    Args:
        token_width: Features of a speech token.
        tokens_per_slot: Tokens in a 25 Hz slot.
        width: Features of the specific representation.
        local_slots: Length of the stretch behind a frame logit, odd.
        dropout: Share of statistics, and of hidden units, dropped in training.
        sees_change: Whether change is among the statistics.
        members: Of how many small networks, side by side, it is the mean.
    """

    def __init__(
        self,
        token_width: int,
        tokens_per_slot: int,
        width: int,
        local_slots: int,
        dropout: float,
        sees_change: bool = False,
        members: int = 1,
    ) -> None:
        super().__init__()
        self.tokens_per_slot = tokens_per_slot
        self.local_slots = local_slots
        self.sees_change = sees_change
        self.members = members
        statistics, hidden = (3 if sees_change else 2) * token_width, members * MEMBER_UNITS
        self.standardize = RunningStandardizer(statistics)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Sequential(nn.Linear(statistics, hidden), nn.GELU(), nn.Dropout(dropout))
        self.logit = nn.Linear(hidden, 1)
        self.feature = nn.Sequential(nn.Linear(hidden, width), nn.LayerNorm(width))
        nn.init.zeros_(self.logit.weight)
        nn.init.zeros_(self.logit.bias)

    def forward(self, tokens: Tensor, audio_present: Tensor) -> StreamJudgement:
        """Judge speech tokens (batch, time * tokens_per_slot, token_width) where present (batch, time)."""
        present = audio_present.amax(1)
        of_clip, around = self.statistics(tokens, audio_present)
        clip = self.hidden(self.dropout(self.standardize(of_clip, present)))
        # Only the clip's statistics drive the running ones, since a short stretch has another spread.
        slots = self.hidden(self.dropout(self.standardize(around, torch.zeros_like(around[..., 0]))))
        return StreamJudgement(
            clip_logit=self.logit(clip).squeeze(-1) * present,
            frame_logits=self.logit(slots).squeeze(-1) * audio_present,
            feature=self.feature(clip),
            present=present,
        )

    def statistics(self, tokens: Tensor, audio_present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the statistics of the clip (batch, statistics) and around each slot (batch, time, statistics)."""
        present = audio_present.repeat_interleave(self.tokens_per_slot, dim=1)
        stretch = self.tokens_per_slot, self.local_slots
        clip = masked_statistics(tokens, present)
        around = local_statistics(tokens, present, *stretch)
        if self.sees_change:
            steps, both = changes(tokens, present)
            clip = torch.cat([clip, masked_mean(steps, both)], dim=-1)
            around = torch.cat([around, local_mean(steps, both, *stretch)], dim=-1)
        return clip, around


class VideoHead(nn.Module):
    """A linear map on the face tokens, another on the lip tokens, and an attention-weighted mean for the clip.

    The clip's logit is a mean of the frames' logits with learned weights (arXiv 1802.04712), so that frames and clip
    cannot contradict each other.

    Args:
        face_width: Features of a face token.
        lip_width: Features of a lip token, or None to leave lips out.
        width: Features of the specific representation.
        dropout: Share of features dropped in training.
    """

    def __init__(self, face_width: int, lip_width: int | None, width: int, dropout: float) -> None:
        super().__init__()
        self.face = _TokenJudge(face_width, width, dropout)
        self.lips = None if lip_width is None else _TokenJudge(lip_width, width, dropout)
        self.feature_norm = nn.LayerNorm(width)

    def forward(self, face: Tensor, face_present: Tensor, lips: Tensor, frames_present: Tensor) -> StreamJudgement:
        """Judge.

        Args:
            face: (batch, time, face_width).
            face_present: (batch, time) presence of the frames behind ``face``.
            lips: (batch, time, lip_width).
            frames_present: (batch, time).
        """
        seen = face_present * frames_present
        logits, urgency, feature = self.face(face, seen)
        if self.lips is not None:
            lip_logits, lip_urgency, lip_feature = self.lips(lips, frames_present)
            logits, urgency, feature = logits + lip_logits, urgency + lip_urgency, feature + lip_feature
        weights = masked_softmax(urgency, frames_present)
        return StreamJudgement(
            clip_logit=(logits * weights).sum(1),
            frame_logits=logits,
            feature=self.feature_norm(masked_mean(feature, frames_present)),
            present=frames_present.amax(1),
        )


class _TokenJudge(nn.Module):
    """Gives the logit, attention urgency and feature of each token; zeros where it is absent."""

    def __init__(self, token_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(token_width)
        self.dropout = nn.Dropout(dropout)
        self.logit = nn.Linear(token_width, 1)
        self.urgency = nn.Linear(token_width, 1)
        self.feature = nn.Linear(token_width, width)
        for layer in (self.logit, self.urgency):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept = self.dropout(self.norm(tokens))
        logit, urgency = self.logit(kept).squeeze(-1), self.urgency(kept).squeeze(-1)
        return logit * present, urgency * present, self.feature(kept) * present.unsqueeze(-1)
