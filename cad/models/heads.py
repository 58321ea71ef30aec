# SPDX-License-Identifier: Apache-2.0
"""AudioHead and VideoHead give the network what each stream alone says: a clip logit, frame logits and a feature."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cad.models.config import FACE_JUDGES
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
    cannot contradict each other. With a large encoder a second judge looks at its tokens, and what both say is joined
    (``JudgeMixture``), for the clip and for each frame alike.

    Args:
        face_width: Features of a face token.
        lip_width: Features of a lip token, or None to leave lips out.
        width: Features of the specific representation.
        dropout: Share of features dropped in training.
        large_width: Features of a token of the large encoder, or None where there is none.
        judges: Which of FACE_JUDGES count; ``large`` only with a large encoder.
    """

    def __init__(
        self,
        face_width: int,
        lip_width: int | None,
        width: int,
        dropout: float,
        large_width: int | None = None,
        judges: Collection[str] = FACE_JUDGES,
    ) -> None:
        super().__init__()
        self.face = _TokenJudge(face_width, width, dropout)
        self.lips = None if lip_width is None else _TokenJudge(lip_width, width, dropout)
        self.feature_norm = nn.LayerNorm(width)
        self.large = None if large_width is None else UnitJudge(large_width, width)
        self.mixture = None if large_width is None else JudgeMixture()
        self.judges = frozenset(judges)

    def forward(
        self,
        face: Tensor,
        face_present: Tensor,
        lips: Tensor,
        frames_present: Tensor,
        large: Tensor | None = None,
    ) -> StreamJudgement:
        """Judge.

        Args:
            face: (batch, time, face_width).
            face_present: (batch, time) presence of the frames behind ``face``.
            lips: (batch, time, lip_width).
            frames_present: (batch, time).
            large: (batch, time, large_width) where there is a large encoder.
        """
        small = self.small_says(face, face_present, lips, frames_present)
        clip, frames, feature = small.clip_logit, small.frame_logits, small.feature
        if self.large is not None and self.mixture is not None and large is not None and "large" in self.judges:
            other = self.large_says(large, frames_present)
            if "small" in self.judges:
                # Where the small judge's frames show no face, the large one speaks alone, and so it does of a still:
                # on those it is the better one by itself.
                is_clip = (frames_present.sum(1, keepdim=True) > 1).to(frames_present.dtype)
                seen = face_present * frames_present * is_clip
                both = torch.stack([seen.amax(1), frames_present.amax(1)], dim=-1)
                clip = self.mixture(torch.stack([clip, other.clip_logit], dim=-1), both)
                by_frame = torch.stack([frames, other.frame_logits], dim=-1)
                frames = self.mixture(by_frame, torch.stack([seen, frames_present], dim=-1))
                feature = feature + other.feature
            else:
                clip, frames, feature = other.clip_logit, other.frame_logits, other.feature
        return StreamJudgement(clip, frames, self.feature_norm(feature), frames_present.amax(1))

    def small_says(self, face: Tensor, face_present: Tensor, lips: Tensor, frames_present: Tensor) -> StreamJudgement:
        """Return what the small judge alone says, its feature before the last norm (see ``forward``)."""
        seen = face_present * frames_present
        logits, urgency, feature = self.face(face, seen)
        if self.lips is not None:
            lip_logits, lip_urgency, lip_feature = self.lips(lips, frames_present)
            logits, urgency, feature = logits + lip_logits, urgency + lip_urgency, feature + lip_feature
        weights = masked_softmax(urgency, frames_present)
        clip = (logits * weights).sum(1)
        return StreamJudgement(clip, logits, masked_mean(feature, frames_present), frames_present.amax(1))

    def large_says(self, large: Tensor, frames_present: Tensor) -> StreamJudgement:
        """Return what the large judge alone says, its feature before the last norm (see ``forward``).

        Raises:
            ValueError: There is no large encoder.
        """
        if self.large is None:
            raise ValueError("this head has no large judge")
        logits, feature = self.large(large, frames_present)
        clip = masked_mean(logits.unsqueeze(-1), frames_present).squeeze(-1)
        return StreamJudgement(clip, logits, masked_mean(feature, frames_present), frames_present.amax(1))


class UnitJudge(nn.Module):
    """One line on tokens of a fixed length, times a learnt scale; zeros where a token is absent.

    Args:
        token_width: Features of a token.
        width: Features of the specific representation, to which it adds nothing before it has learnt to.
    """

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__()
        # Brings a unit vector's entries to the size that a layer expects.
        self.log_scale = nn.Parameter(torch.tensor(0.5 * math.log(token_width)))
        self.line = nn.Linear(token_width, 1)
        self.feature = nn.Linear(token_width, width, bias=False)
        for parameter in (*self.line.parameters(), *self.feature.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, time) and features (batch, time, width) of tokens (batch, time, token_width)."""
        feature = self.feature(tokens * self.log_scale.exp())
        return self.logits(tokens) * present, feature * present.unsqueeze(-1)

    def logits(self, tokens: Tensor) -> Tensor:
        """Return the logits (...) of tokens (..., token_width) that are all present."""
        logits: Tensor = self.line(tokens * self.log_scale.exp()).squeeze(-1)
        return logits


class JudgeMixture(nn.Module):
    """Joins the logits of the two judges of the picture: a positive combination of standardised logits.

    Each judge's logit is standardised by the centre and the spread that its logits had on clips that it did not learn
    from (``settle``); the weights start at one half, the mean. The result is brought back to the scale of the small
    judge, so that the fusion behind it finds what it knows. A judge that saw nothing leaves its weight to the other.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        # softplus(-0.433) = 0.5
        self.weights = nn.Parameter(torch.full((2,), -0.4328))
        self.register_buffer("centre", torch.zeros(2))
        self.register_buffer("spread", torch.ones(2))

    def settle(self, centre: Tensor, spread: Tensor) -> None:
        """Set centre and spread, (2,) small and large, in logits.

        Raises:
            ValueError: A spread is not positive.
        """
        if not bool((spread > 0).all()):
            raise ValueError(f"spreads must be positive, got {spread.tolist()}")
        self.centre.copy_(centre)
        self.spread.copy_(spread)

    def forward(self, logits: Tensor, present: Tensor) -> Tensor:
        """Return (...) from the logits (..., 2) of the small and the large judge; 0 where ``present`` is 0 in both."""
        weights = F.softplus(self.weights)
        counted = weights * present
        standard = (logits - self.centre) / self.spread
        mean = (standard * counted).sum(-1) / counted.sum(-1).clamp(min=1e-6) * weights.sum()
        return (self.centre[0] + self.spread[0] * mean) * present.amax(-1)


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
