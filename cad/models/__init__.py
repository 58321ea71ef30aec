# SPDX-License-Identifier: Apache-2.0
"""Networks of the CAD family for training and export; they need the ``train`` extra (torch)."""

from cad.models.checkpoint import load_checkpoint, save_checkpoint
from cad.models.config import CadConfig
from cad.models.network import CadModel
from cad.models.output import CadFeatures, CadOutput
from cad.models.registry import MODELS, create_model

__all__ = [
    "MODELS",
    "CadConfig",
    "CadFeatures",
    "CadModel",
    "CadOutput",
    "create_model",
    "load_checkpoint",
    "save_checkpoint",
]
