# SPDX-License-Identifier: Apache-2.0
"""CadModel gives training and export the whole network: encoders, alignment, heads, fusion and distillation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from cad.models.alignment import Alignment, AlignmentHead
from cad.models.config import CadConfig
from cad.models.distillation import Distillation
from cad.models.encoders.interfaces import FaceEncoder, LipEncoder, SpeechEncoder
from cad.models.encoders.registry import create_encoder
from cad.models.fusion import Fusion
from cad.models.heads import AudioHead, StreamJudgement, VideoHead
from cad.models.logmel import MEL_BANDS, MEL_FRAMES_PER_SLOT
from cad.models.net import Net
from cad.models.output import CadFeatures, CadOutput
from cad.models.rows import rows_with
from cad.models.standardize import RunningStandardizer
from cad.spec import STREAMS


class CadModel(Net):
    """Judges windows by cross-modal alignment and distillation, from uint8 frames and raw samples to logits.

    Source: arXiv 2505.15233 for the idea (alignment, distillation, fusion); the sizes, the heads and everything else
    that its abstract does not say are this project's choice.

    Args:
        config: The architecture.

    Raises:
        OptionError: The configuration names something unknown.
    """

    config: CadConfig
    stream_mask: Tensor

    def __init__(self, config: CadConfig) -> None:
        super().__init__()
        self.config = config
        self.face_encoder = create_encoder(FaceEncoder, config.face_encoder, config.face_options)
        self.large_face_encoder = (
            None
            if config.large_face_encoder is None
            else create_encoder(FaceEncoder, config.large_face_encoder, config.large_face_options)
        )
        self.lip_encoder = (
            None if config.lip_encoder is None else create_encoder(LipEncoder, config.lip_encoder, config.lip_options)
        )
        self.speech_encoder = create_encoder(SpeechEncoder, config.speech_encoder, config.speech_options)
        lip_width = self.face_encoder.width if self.lip_encoder is None else self.lip_encoder.width
        self.max_slots = self.speech_encoder.max_slots
        token_width, per_slot = self.speech_encoder.width, self.speech_encoder.tokens_per_slot
        self.standardize_speech = RunningStandardizer(token_width)
        self.align = AlignmentHead(
            lip_width,
            token_width * per_slot + (MEL_BANDS * MEL_FRAMES_PER_SLOT if config.align_with_mel else 0),
            config,
        )
        self.audio_head = AudioHead(
            token_width,
            per_slot,
            config.width,
            config.local_slots,
            config.head_dropout,
            config.voice_change,
            config.voice_members,
        )
        self.video_head = VideoHead(
            self.face_encoder.width,
            lip_width if config.video_uses_lips else None,
            config.width,
            config.head_dropout,
            None if self.large_face_encoder is None else self.large_face_encoder.width,
            config.face_judges,
        )
        self.fusion = Fusion(config.width, config.fusion_dropout, config.fusion)
        self.distill = Distillation(config.width)
        in_use = torch.tensor([float(stream in config.streams) for stream in STREAMS])
        self.register_buffer("stream_mask", in_use, persistent=False)

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
        log_mel = self.speech_encoder.log_mel(audio, audio_present)
        shared_speech, speech = self._speech(log_mel, audio_present)
        video_present = frames_present if keep_video is None else frames_present * keep_video.unsqueeze(1)
        sound_present = audio_present if keep_audio is None else audio_present * keep_audio.unsqueeze(1)
        face, face_present, lips = self._picture(frames, frames_present)
        video = self.video_head(face, face_present, lips, video_present, self._large(frames, frames_present))
        sound = self.audio_head(speech, sound_present)
        aligned = self.align(lips, self._sound_of_slots(shared_speech, log_mel), video_present, sound_present)
        return self._judge(video, sound, aligned, video_present, sound_present)

    def load_pretrained(self, starts: Mapping[str, Path]) -> None:
        """Load published starting weights into the face and the speech encoders (see Net)."""
        self.face_encoder.load_pretrained(starts)
        if self.large_face_encoder is not None:
            self.large_face_encoder.load_pretrained(starts)
        self.speech_encoder.load_pretrained(starts)

    def _speech(self, log_mel: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised tokens (batch, time * tokens_per_slot, width) of the shared and the specific path."""
        encoder = self.speech_encoder
        (shared,) = rows_with(present, lambda mel: (encoder.encode(mel),), log_mel)
        specific = encoder.encode_specific(log_mel, shared)
        token_present = present.repeat_interleave(encoder.tokens_per_slot, dim=1)
        standard = self.standardize_speech(shared, token_present)
        return standard, standard if specific is shared else self.standardize_speech(specific, token_present)

    def _picture(self, frames: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return face tokens, their presence and lip tokens, each by slot."""
        streams = self.config.streams
        seen = present if "video" in streams else torch.zeros_like(present)
        face, face_present = rows_with(seen, self.face_encoder, frames, present)
        if "sync" not in streams and not ("video" in streams and self.config.video_uses_lips):
            present = torch.zeros_like(present)
        lip_encoder = self.lip_encoder
        encode = self.face_encoder.shared if lip_encoder is None else lambda *inputs: (lip_encoder(*inputs),)
        lips, *_ = rows_with(present, encode, frames, present)
        return face, face_present, lips

    def _large(self, frames: Tensor, present: Tensor) -> Tensor | None:
        """Return the large encoder's tokens by slot, or None where nobody looks at them."""
        if self.large_face_encoder is None or "large" not in self.config.face_judges:
            return None
        seen = present if "video" in self.config.streams else torch.zeros_like(present)
        tokens, _ = rows_with(seen, self.large_face_encoder, frames, present)
        return tokens

    def _sound_of_slots(self, tokens: Tensor, log_mel: Tensor) -> Tensor:
        """Return what alignment sees of the sound in each slot (batch, time, features)."""
        per_slot = self.speech_encoder.tokens_per_slot
        batch, steps, width = tokens.shape
        slots = tokens.reshape(batch, steps // per_slot, per_slot * width)
        if not self.config.align_with_mel:
            return slots
        mel = log_mel.transpose(1, 2).reshape(batch, steps // per_slot, MEL_BANDS * MEL_FRAMES_PER_SLOT)
        return torch.cat([slots, mel], dim=-1)

    def _judge(
        self,
        video: StreamJudgement,
        sound: StreamJudgement,
        aligned: Alignment,
        video_present: Tensor,
        audio_present: Tensor,
    ) -> CadOutput:
        mask = self.stream_mask
        present = torch.stack([video.present, sound.present, aligned.sync_present], dim=1) * mask
        logits = torch.stack([video.clip_logit, sound.clip_logit, aligned.sync_logit], dim=1) * mask
        features = torch.stack([video.feature, sound.feature, aligned.shared], dim=1)
        joint, fused_logit = self.fusion(features, logits, present)
        return CadOutput(
            fused_logit=fused_logit,
            video_logit=logits[:, 0],
            audio_logit=logits[:, 1],
            sync_logit=logits[:, 2],
            video_frame_logits=video.frame_logits * mask[0],
            audio_frame_logits=sound.frame_logits * mask[1],
            sync_frame_logits=aligned.sync_frame_logits * mask[2],
            offset_seconds=aligned.offset_seconds * mask[2],
            features=CadFeatures(
                video_present=video_present,
                audio_present=audio_present,
                stream_present=present,
                video_specific=video.feature,
                audio_specific=sound.feature,
                joint=joint,
                **self.distill(video.feature, sound.feature, joint),
                aligned=aligned,
            ),
        )
