# SPDX-License-Identifier: Apache-2.0
"""create_encoder gives the network an encoder by its name.

Encoders are imported only when asked for: the whole one of Whisper needs transformers and peft.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from cad.errors import OptionError
from cad.models.encoders.interfaces import FaceEncoder, LipEncoder, SpeechEncoder

EncoderT = TypeVar("EncoderT", bound=nn.Module)

#: Where the class of an encoder is, by the interface that it keeps and by its name.
ENCODERS: Mapping[type[nn.Module], Mapping[str, str]] = {
    FaceEncoder: {
        "efficientnet_lite0": "cad.models.encoders.efficientnet:EfficientNetFace",
        "clip_vit": "cad.models.encoders.clip:ClipFace",
    },
    LipEncoder: {
        "lip_net": "cad.models.encoders.lips:LipNet",
        "lip_shapes": "cad.models.encoders.lip_shapes:LipShapes",
    },
    SpeechEncoder: {
        "whisper_layers": "cad.models.encoders.whisper:WhisperLayers",
        "whisper_hub": "cad.models.encoders.whisper_hub:WhisperHub",
    },
}


def create_encoder(kind: type[EncoderT], name: str, options: Mapping[str, Any]) -> EncoderT:
    """Build an encoder of a kind (FaceEncoder, LipEncoder or SpeechEncoder).

    Raises:
        OptionError: The name or an option is unknown, or a value is not accepted.
    """
    known = ENCODERS[kind]
    if name not in known:
        raise OptionError(f"there is no {kind.__name__} {name!r}; there are {', '.join(known)}")
    module_name, class_name = known[name].split(":")
    encoder_class = getattr(importlib.import_module(module_name), class_name)
    try:
        # Options come back from JSON, which has no tuples.
        tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        encoder = encoder_class(**tuples)
    except TypeError as error:
        raise OptionError(f"{kind.__name__} {name!r}: {error}") from error
    assert isinstance(encoder, kind)
    return encoder
