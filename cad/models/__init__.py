# SPDX-License-Identifier: Apache-2.0
"""Networks for training and export; they need the ``train`` extra (torch)."""

from cad.models.checkpoint import config_of, load_checkpoint, save_checkpoint
from cad.models.config import CadConfig, NetConfig
from cad.models.net import Net
from cad.models.network import CadModel
from cad.models.output import CadFeatures, CadOutput, StreamPresence
from cad.models.registry import MODELS, create_model

__all__ = [
    "MODELS",
    "CadConfig",
    "CadFeatures",
    "CadModel",
    "CadOutput",
    "Net",
    "NetConfig",
    "StreamPresence",
    "config_of",
    "create_model",
    "load_checkpoint",
    "save_checkpoint",
]
