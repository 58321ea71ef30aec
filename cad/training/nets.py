# SPDX-License-Identifier: Apache-2.0
"""Nets as the training configuration names them."""

from __future__ import annotations

from typing import Any

from cad.models import CadModel, create_model


def make_net(name: str = "cad_small", pretrained: bool = True, options: dict[str, Any] | None = None) -> CadModel:
    """Return a net of the family.

    Args:
        name: See ``cad.models.create_model``.
        pretrained: Load published starting weights into the encoders.
        options: Fields of ``cad.models.CadConfig`` that differ from the named configuration.

    Raises:
        OptionError: A name, an option or a value is not accepted.
        MissingExtraError: ``pretrained`` and a package with starting weights is not installed.
        WeightsError: The starting weights cannot be had or do not fit.
    """
    return create_model(name, pretrained=pretrained, **(options or {}))
