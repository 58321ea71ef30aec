# SPDX-License-Identifier: Apache-2.0
"""CadOutput gives export the outputs of the graph and training what the losses need besides."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cad.models.alignment import Alignment


@dataclass(frozen=True, slots=True)
class StreamPresence:
    """What a network had to judge; batch B, time T (25 Hz).

    Attributes:
        video_present: float32 (B, T) 1 where picture counted, after stream dropout.
        audio_present: float32 (B, T) likewise for sound.
        stream_present: float32 (B, 3) 1 where video, audio, sync had anything to judge; 0 for a head that is not there.
    """

    video_present: Tensor
    audio_present: Tensor
    stream_present: Tensor


@dataclass(frozen=True, slots=True)
class CadFeatures(StreamPresence):
    """Features behind the logits of a CadModel; batch B, time T (25 Hz), feature width F.

    Attributes:
        video_specific: (B, F) feature of the picture alone.
        audio_specific: (B, F) feature of the sound alone.
        joint: (B, F) fused feature of the three.
        joint_from_video: (B, F) prediction of ``joint`` from ``video_specific``.
        joint_from_audio: (B, F) prediction of ``joint`` from ``audio_specific``.
        video_from_joint: (B, F) prediction of ``video_specific`` from ``joint``.
        audio_from_joint: (B, F) prediction of ``audio_specific`` from ``joint``.
        aligned: What lips and sound say about the same event, and whether they say the same.
    """

    video_specific: Tensor
    audio_specific: Tensor
    joint: Tensor
    joint_from_video: Tensor
    joint_from_audio: Tensor
    video_from_joint: Tensor
    audio_from_joint: Tensor
    aligned: Alignment


@dataclass(frozen=True, slots=True)
class CadOutput:
    """The outputs that ``cad.spec`` names (their meaning is there), and what is behind them.

    The logit of a stream that is absent, or of a head that the network lacks, is 0 and says nothing. ``features`` are
    CadFeatures where the network has such.
    """

    fused_logit: Tensor
    video_logit: Tensor
    audio_logit: Tensor
    sync_logit: Tensor
    video_frame_logits: Tensor
    audio_frame_logits: Tensor
    sync_frame_logits: Tensor
    offset_seconds: Tensor
    features: StreamPresence
