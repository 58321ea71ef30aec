# SPDX-License-Identifier: Apache-2.0
"""CadOutput gives export the outputs of the graph and training the features that the losses need."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class CadFeatures:
    """Features behind the logits; batch B, time T (25 Hz), lags L, feature width F.

    Attributes:
        video_present: float32 (B, T) 1 where picture counted, after stream dropout.
        audio_present: float32 (B, T) likewise for sound.
        stream_present: float32 (B, 3) 1 where video, audio, sync had anything to judge.
        video_specific: (B, F) feature of the picture alone.
        audio_specific: (B, F) feature of the sound alone.
        shared: (B, F) feature of what lips and sound say about the same event.
        joint: (B, F) fused feature of the three.
        joint_from_video: (B, F) prediction of ``joint`` from ``video_specific``.
        joint_from_audio: (B, F) prediction of ``joint`` from ``audio_specific``.
        video_from_joint: (B, F) prediction of ``video_specific`` from ``joint``.
        audio_from_joint: (B, F) prediction of ``audio_specific`` from ``joint``.
        video_embeddings: (B, T, F) unit vectors, lips; compared with ``audio_embeddings``.
        audio_embeddings: (B, T, F) unit vectors, speech.
        video_log_probabilities: (B, T, P) log distribution over prototypes at each frame, lips.
        audio_log_probabilities: (B, T, P) likewise, speech.
        agreement: (B, T) cosine in [-1, 1] between lips and the softly aligned speech.
        lag_similarity: (B, L) mean cosine in [-1, 1] when the sound is read ``lag`` slots later.
        lag_overlap: (B, L) number of slots behind each of these means.
        scale: () inverse temperature that turns cosines into logits.
    """

    video_present: Tensor
    audio_present: Tensor
    stream_present: Tensor
    video_specific: Tensor
    audio_specific: Tensor
    shared: Tensor
    joint: Tensor
    joint_from_video: Tensor
    joint_from_audio: Tensor
    video_from_joint: Tensor
    audio_from_joint: Tensor
    video_embeddings: Tensor
    audio_embeddings: Tensor
    video_log_probabilities: Tensor
    audio_log_probabilities: Tensor
    agreement: Tensor
    lag_similarity: Tensor
    lag_overlap: Tensor
    scale: Tensor


@dataclass(frozen=True, slots=True)
class CadOutput:
    """The outputs that ``cad.spec`` names (their meaning is there), and the features behind them.

    The logit of a stream that is absent is 0 and says nothing.
    """

    fused_logit: Tensor
    video_logit: Tensor
    audio_logit: Tensor
    sync_logit: Tensor
    video_frame_logits: Tensor
    audio_frame_logits: Tensor
    sync_frame_logits: Tensor
    offset_seconds: Tensor
    features: CadFeatures
