# SPDX-License-Identifier: Apache-2.0
"""load_checkpoint gives training and export a network: safetensors with the architecture as JSON in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cad.errors import WeightsError, WeightsNotFoundError
from cad.models.config import CadConfig
from cad.models.network import CadModel
from cad.models.pretrained.assign import assign

CONFIG_KEY = "cad.config"


def save_checkpoint(model: CadModel, path: str | Path, notes: Mapping[str, str] | None = None) -> None:
    """Write a network to ``path``.

    Args:
        model: The network.
        path: Usually ends in .safetensors; the folder must exist.
        notes: Further text for the metadata, such as ``trained_on`` and ``commit``.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    save_file(state, str(path), metadata={**(notes or {}), CONFIG_KEY: model.config.to_json()})


def load_checkpoint(path: str | Path) -> tuple[CadModel, dict[str, str]]:
    """Read a network, in evaluation mode on the CPU, and the notes that were stored with it.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is not a checkpoint of ours, or does not fit its own configuration.
    """
    if not Path(path).is_file():
        raise WeightsNotFoundError(f"there is no checkpoint {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            notes = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}") from error
    if CONFIG_KEY not in notes:
        raise WeightsError(f"{path} has no {CONFIG_KEY} in its metadata; it was not written by save_checkpoint")
    model = CadModel(CadConfig.from_json(notes.pop(CONFIG_KEY)))
    assign(model, state, str(path))
    return model.eval(), notes
