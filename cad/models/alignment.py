# SPDX-License-Identifier: Apache-2.0
"""AlignmentHead tells the network what lips and sound say about the same event, and whether they say the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cad.models.attention import BandedCrossAttention
from cad.models.config import CadConfig
from cad.models.lags import diagonals, expected_offset_seconds, lag_profile
from cad.models.masks import local_sum, masked_mean
from cad.models.temporal import TemporalBlock

_HEADS = 4
_MAX_SCALE = 50.0


@dataclass(frozen=True, slots=True)
class Alignment:
    """What alignment found; batch B, time T (25 Hz), lags L, feature width F, prototypes P.

    Attributes:
        sync_logit: (B,), 0 where nothing overlaps.
        sync_frame_logits: (B, T), 0 where lips or sound are absent.
        offset_seconds: (B,) by how much the sound lags behind the lips.
        sync_present: (B,) 1 where lips and sound overlap.
        shared: (B, F) feature of what lips and sound say about the same event.
        video_embeddings: (B, T, F) unit vectors, lips; compared with ``audio_embeddings``.
        audio_embeddings: (B, T, F) unit vectors, speech.
        video_log_probabilities: (B, T, P) log distribution over prototypes at each frame, lips.
        audio_log_probabilities: (B, T, P) likewise, speech.
        agreement: (B, T) cosine in [-1, 1] between lips and the softly aligned speech.
        lag_similarity: (B, L) mean cosine in [-1, 1] when the sound is read ``lag`` slots later.
        lag_overlap: (B, L) number of slots behind each of these means.
        scale: () inverse temperature that turns cosines into logits.
    """

    sync_logit: Tensor
    sync_frame_logits: Tensor
    offset_seconds: Tensor
    sync_present: Tensor
    shared: Tensor
    video_embeddings: Tensor
    audio_embeddings: Tensor
    video_log_probabilities: Tensor
    audio_log_probabilities: Tensor
    agreement: Tensor
    lag_similarity: Tensor
    lag_overlap: Tensor
    scale: Tensor


class AlignmentHead(nn.Module):
    """Banded cross-attention both ways, agreement per frame, and the similarity at each lag.

    The logits see only cosines (agreement, and the local and the clip's lag profile), never the features behind
    them: whose mouth it is and which words are said must not enter the decision.

    Args:
        lip_width: Features of a lip token.
        speech_width: Features of the sound in one slot.
        config: Width, band, lags, stretch behind a frame logit, prototypes and dropout.
    """

    def __init__(self, lip_width: int, speech_width: int, config: CadConfig) -> None:
        super().__init__()
        width, dropout = config.width, config.fusion_dropout
        self.band_slots, self.lag_slots, self.local_slots = config.band_slots, config.lag_slots, config.local_slots
        self.lip_in = _projection(lip_width, width, dropout)
        self.speech_in = _projection(speech_width, width, dropout)
        self.video_out = nn.Linear(width, width)
        self.audio_out = nn.Linear(width, width)
        self.video_to_audio = BandedCrossAttention(width, _HEADS, self.band_slots)
        self.audio_to_video = BandedCrossAttention(width, _HEADS, self.band_slots)
        self.shared_norm = nn.LayerNorm(2 * width)
        self.shared_out = nn.Linear(2 * width, width)
        self.prototypes = nn.Linear(width, config.prototypes, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.frame_logit = _small_network(2 * self.band_slots + 1 + 3)
        self.clip_logit = _small_network(2 * self.lag_slots + 1 + 2)

    def forward(self, lips: Tensor, speech: Tensor, video_present: Tensor, audio_present: Tensor) -> Alignment:
        """Align.

        Args:
            lips: (batch, time, lip_width).
            speech: (batch, time, speech_width).
            video_present: (batch, time).
            audio_present: (batch, time).

        Returns:
            The logits of a window without overlap are 0.
        """
        lips, speech = self.lip_in(lips), self.speech_in(speech)
        video = _direction(self.video_out(lips), video_present)
        audio = _direction(self.audio_out(speech), audio_present)
        similarity = torch.matmul(video, audio.transpose(1, 2))
        both = video_present.unsqueeze(2) * audio_present.unsqueeze(1)
        gathered_video, from_audio = self.video_to_audio(lips, speech, audio_present)
        gathered_audio, from_video = self.audio_to_video(speech, lips, video_present)
        heard = _cosine(video, torch.matmul(from_audio, audio))
        seen = _cosine(audio, torch.matmul(from_video, video))
        slot_present = video_present * audio_present
        lag_similarity, lag_overlap = lag_profile(similarity, both, self.lag_slots)
        sync_present = slot_present.amax(1)
        frame_logits = self._frame_logits(similarity, both, heard, seen, slot_present)
        clip = self._clip_logit(frame_logits, lag_similarity, heard, seen, slot_present)
        scale = self.log_scale.exp().clamp(max=_MAX_SCALE)
        shared = masked_mean(torch.cat([gathered_video, gathered_audio], dim=-1), slot_present)
        return Alignment(
            sync_logit=clip * sync_present,
            sync_frame_logits=frame_logits,
            offset_seconds=expected_offset_seconds(lag_similarity, lag_overlap, scale) * sync_present,
            sync_present=sync_present,
            shared=self.shared_out(self.shared_norm(shared)),
            video_embeddings=video,
            audio_embeddings=audio,
            video_log_probabilities=torch.log_softmax(self.prototypes(video) * scale, dim=-1),
            audio_log_probabilities=torch.log_softmax(self.prototypes(audio) * scale, dim=-1),
            agreement=0.5 * (heard + seen),
            lag_similarity=lag_similarity,
            lag_overlap=lag_overlap,
            scale=scale,
        )

    def _frame_logits(
        self, similarity: Tensor, both: Tensor, heard: Tensor, seen: Tensor, slot_present: Tensor
    ) -> Tensor:
        """Return (batch, time) logits from the lag profile and the agreement of the stretch around each slot."""
        count = local_sum(diagonals(both, self.band_slots), self.local_slots).clamp(min=1.0)
        profile = local_sum(diagonals(similarity * both, self.band_slots), self.local_slots) / count
        pair = torch.stack([heard, seen], dim=-1) * slot_present.unsqueeze(-1)
        pair_count = local_sum(slot_present.unsqueeze(-1), self.local_slots).clamp(min=1.0)
        agreement = local_sum(pair, self.local_slots) / pair_count
        peak = profile.amax(-1, keepdim=True)
        logits: Tensor = self.frame_logit(torch.cat([profile - peak, peak, agreement], dim=-1)).squeeze(-1)
        return logits * slot_present

    def _clip_logit(
        self, frame_logits: Tensor, lag_similarity: Tensor, heard: Tensor, seen: Tensor, slot_present: Tensor
    ) -> Tensor:
        """Return (batch,): the mean of the frame logits plus what the wide lag profile adds."""
        agreement = masked_mean(torch.stack([heard, seen], dim=-1), slot_present)
        wide: Tensor = self.clip_logit(torch.cat([lag_similarity, agreement], dim=-1)).squeeze(-1)
        return masked_mean(frame_logits.unsqueeze(-1), slot_present).squeeze(-1) + wide


def _projection(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.Dropout(dropout), TemporalBlock(after), TemporalBlock(after))


def _direction(embeddings: Tensor, present: Tensor) -> Tensor:
    """Return unit vectors of what changes over the window, since what stays (person, room) agrees at every lag."""
    return _unit(embeddings - masked_mean(embeddings, present).unsqueeze(1), floor=1e-2)


def _unit(vectors: Tensor, floor: float) -> Tensor:
    """Return the vectors with length 1, but the shorter the nearer they are to nothing.

    A still mouth and silence leave only rounding errors once the mean is taken away. At full length these would agree
    or disagree at random, and differently in every runtime.
    """
    return vectors * (vectors.square().sum(-1, keepdim=True) + floor).rsqrt()


def _small_network(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, 1))


def _cosine(units: Tensor, others: Tensor) -> Tensor:
    return (units * _unit(others, floor=1e-4)).sum(-1)
