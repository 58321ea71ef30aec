# SPDX-License-Identifier: Apache-2.0
"""create_model gives training and export a network of the family by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cad.errors import OptionError
from cad.models.config import CadConfig
from cad.models.network import CadModel

MODELS: Mapping[str, CadConfig] = {
    "cad_small": CadConfig(),
    "cad_base": CadConfig(
        name="cad_base",
        face_encoder="clip_vit",
        lip_encoder=None,
        speech_encoder="whisper_hub",
        width=256,
    ),
}


def create_model(name: str, *, pretrained: bool = False, **options: Any) -> CadModel:
    """Build a network of the family.

    Args:
        name: ``cad_small`` or ``cad_base``.
        pretrained: Load published starting weights into the encoders (for training; the heads stay random).
        options: Fields of CadConfig that differ from the named configuration.

    Raises:
        OptionError: A name, an option or a value is not accepted.
        MissingExtraError: ``pretrained`` and a package with starting weights is not installed.
        WeightsError: ``pretrained`` and they cannot be fetched or do not fit.
    """
    if name not in MODELS:
        raise OptionError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    model = CadModel(MODELS[name].replace(**options))
    if pretrained:
        model.load_pretrained()
    return model
