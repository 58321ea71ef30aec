# SPDX-License-Identifier: Apache-2.0
"""load_checkpoint gives training and export a network: safetensors with the architecture as JSON in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from cad.errors import WeightsError, WeightsNotFoundError
from cad.models.net import Net
from cad.models.pretrained.assign import assign
from cad.models.registry import net_of

CONFIG_KEY = "cad.config"
#: Of the weights in the folder of a run.
WEIGHTS_NAME = "model.safetensors"


def save_checkpoint(model: nn.Module, path: str | Path, notes: Mapping[str, str] | None = None) -> None:
    """Write a network to ``path``.

    One that is no Net (a class of the caller's own) is written without a description; ``load_checkpoint`` refuses it.

    Args:
        model: The network.
        path: Usually ends in .safetensors; the folder must exist.
        notes: Further text for the metadata, such as ``trained_on`` and ``commit``.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    described = {CONFIG_KEY: model.config.to_json()} if isinstance(model, Net) else {}
    save_file(state, str(path), metadata={**(notes or {}), **described})


def config_of(model: nn.Module) -> dict[str, Any]:
    """Return what ``save_checkpoint`` writes of a network's architecture; empty for one that is no Net."""
    return dict(json.loads(model.config.to_json())) if isinstance(model, Net) else {}


def load_checkpoint(path: str | Path) -> tuple[Net, dict[str, str]]:
    """Read a network, in evaluation mode on the CPU, and the notes that were stored with it.

    Args:
        path: The file, or a folder that holds it: that of a run, of which the best weights are read where it has some.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is not a checkpoint of ours, or does not fit its own configuration.
    """
    path = checkpoint_file(Path(path))
    try:
        with safe_open(str(path), framework="pt") as file:
            notes = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}") from error
    if CONFIG_KEY not in notes:
        raise WeightsError(
            f"{path} has no {CONFIG_KEY} in its metadata: it was not written by save_checkpoint, or its network is "
            "none of this package's"
        )
    model = net_of(notes.pop(CONFIG_KEY))
    assign(model, state, str(path))
    return model.eval(), notes


def checkpoint_file(path: Path) -> Path:
    """Return the weights that ``path`` means: a file, or the best (else the latest) of the folder of a run.

    Raises:
        WeightsNotFoundError: There are none.
    """
    if path.is_file():
        return path
    for file in (path / "best" / WEIGHTS_NAME, path / WEIGHTS_NAME):
        if file.is_file():
            return file
    raise WeightsNotFoundError(
        f"there is no checkpoint in {path}: it has neither best/{WEIGHTS_NAME} nor {WEIGHTS_NAME}"
        if path.is_dir()
        else f"there is no checkpoint {path}"
    )
