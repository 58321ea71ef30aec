# SPDX-License-Identifier: Apache-2.0
"""Start a net from the weights of earlier runs, part by part."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from cad.errors import OptionError

WEIGHTS_NAME = "model.safetensors"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Weights to start from.

    Attributes:
        path: A safetensors file, or the folder of a run that has ``model.safetensors`` in it.
        prefixes: Parts to take, as beginnings of names (``face_encoder.``); empty for everything.
    """

    path: str
    prefixes: list[str] = field(default_factory=list)


def load_parts(net: nn.Module, starts: Sequence[StartFrom]) -> None:
    """Copy the named parts of each file into ``net``; later files win over earlier ones.

    Raises:
        OptionError: A file cannot be read, or a prefix is in the file or the net but not in both, or shapes differ.
    """
    own = net.state_dict()
    for start in starts:
        found = read_weights(Path(start.path))
        taken: dict[str, torch.Tensor] = {}
        for prefix in start.prefixes or [""]:
            taken |= _part(found, own, prefix, start.path)
        net.load_state_dict(taken, strict=False)
        _log.info("%d tensors from %s", len(taken), start.path)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, or of the folder of a run that has ``model.safetensors`` in it.

    Raises:
        OptionError: They cannot be read.
    """
    file = path / WEIGHTS_NAME if path.is_dir() else path
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise OptionError(f"{file} cannot be read as safetensors ({error})") from error


def _part(
    found: dict[str, torch.Tensor], own: dict[str, torch.Tensor], prefix: str, path: str
) -> dict[str, torch.Tensor]:
    wanted = {name for name in own if name.startswith(prefix)}
    given = {name for name in found if name.startswith(prefix)}
    missing = sorted(wanted ^ given)
    if not wanted or missing:
        raise OptionError(
            f"start_from: {path}: part {prefix!r} of the file and of the net differ in "
            f"{', '.join(missing[:5]) or 'everything'} ({len(given)} and {len(wanted)} tensors)"
        )
    shapes = [name for name in wanted if found[name].shape != own[name].shape]
    if shapes:
        raise OptionError(f"start_from: {path}: other shapes than the net's for {', '.join(sorted(shapes)[:5])}")
    return {name: found[name] for name in wanted}
