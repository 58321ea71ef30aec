# SPDX-License-Identifier: Apache-2.0
"""create_face_encoder and its kin give the network an encoder by its name.

The encoders of ``cad_base`` are imported only when asked for: they need transformers and peft.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from cad.errors import OptionError
from cad.models.encoders.interfaces import FaceEncoder, LipEncoder, SpeechEncoder

FACE_ENCODERS: Mapping[str, str] = {
    "efficientnet_lite0": "cad.models.encoders.efficientnet:EfficientNetFace",
    "clip_vit": "cad.models.encoders.clip:ClipFace",
}
LIP_ENCODERS: Mapping[str, str] = {
    "lip_net": "cad.models.encoders.lips:LipNet",
    "lip_shapes": "cad.models.encoders.lip_shapes:LipShapes",
}
SPEECH_ENCODERS: Mapping[str, str] = {
    "whisper_layers": "cad.models.encoders.whisper:WhisperLayers",
    "whisper_hub": "cad.models.encoders.whisper_hub:WhisperHub",
}

EncoderT = TypeVar("EncoderT")


def create_face_encoder(name: str, options: Mapping[str, Any]) -> FaceEncoder:
    """Build a face encoder.

    Raises:
        OptionError: The name or an option is unknown, or a value is not accepted.
    """
    return _create(FACE_ENCODERS, "face encoder", name, options, FaceEncoder)


def create_lip_encoder(name: str, options: Mapping[str, Any]) -> LipEncoder:
    """Build a lip encoder; raises as ``create_face_encoder``."""
    return _create(LIP_ENCODERS, "lip encoder", name, options, LipEncoder)


def create_speech_encoder(name: str, options: Mapping[str, Any]) -> SpeechEncoder:
    """Build a speech encoder; raises as ``create_face_encoder``."""
    return _create(SPEECH_ENCODERS, "speech encoder", name, options, SpeechEncoder)


def _create(
    table: Mapping[str, str], kind: str, name: str, options: Mapping[str, Any], expected: type[EncoderT]
) -> EncoderT:
    if name not in table:
        raise OptionError(f"there is no {kind} {name!r}; there are {', '.join(table)}")
    module_name, class_name = table[name].split(":")
    encoder_class = getattr(importlib.import_module(module_name), class_name)
    try:
        # Options come back from JSON, which has no tuples.
        tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        encoder = encoder_class(**tuples)
    except TypeError as error:
        raise OptionError(f"{kind} {name!r}: {error}") from error
    assert isinstance(encoder, expected)
    return encoder
