# SPDX-License-Identifier: Apache-2.0
"""Nets as the training configuration names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cad.models import Net, create_model


def make_net(
    name: str = "cad_small",
    pretrained: bool = True,
    clip: str | None = None,
    whisper: str | None = None,
    imagenet: str | None = None,
    options: dict[str, Any] | None = None,
) -> Net:
    """Return a net by its name.

    Args:
        name: ``cad_small``, ``cad_base``, or one to compare with (``meso4``, ``xception``, ``aasist_l``,
            ``clip_probe``).
        pretrained: Load published starting weights into the parts that have some. Nothing is fetched: they are looked
            for where the next options say, then in installed packages, then in the model hub's cache on this machine.
        clip: CLIP's vision tower: a folder as the model hub lays it out, a safetensors file, or an ONNX file.
        whisper: Whisper's encoder: such a folder or safetensors file, or CTranslate2's model.bin.
        imagenet: Xception on ImageNet: a safetensors file in timm's names.
        options: Fields of the net's configuration that differ from the named one (``cad.models.CadConfig`` and its
            like in ``cad.models.baselines``).

    Raises:
        OptionError: A name, an option or a value is not accepted.
        MissingExtraError: ``pretrained`` and a package with starting weights is not installed.
        WeightsError: The starting weights are not on this machine or do not fit.
    """
    given = {"clip": clip, "whisper": whisper, "imagenet": imagenet}
    starts = {key: Path(value).expanduser() for key, value in given.items() if value is not None}
    return create_model(name, pretrained=pretrained, starts=starts, **(options or {}))
