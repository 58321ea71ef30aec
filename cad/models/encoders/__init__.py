# SPDX-License-Identifier: Apache-2.0
"""Encoders of the CAD family, by name."""

from cad.models.encoders.registry import create_face_encoder, create_lip_encoder, create_speech_encoder

__all__ = ["create_face_encoder", "create_lip_encoder", "create_speech_encoder"]
