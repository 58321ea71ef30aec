# SPDX-License-Identifier: Apache-2.0
"""Start a net from packaged weights or those of earlier runs, part by part."""

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
from cad.training.packaged import packaged_entry, packaged_names, read_packaged, training_only

WEIGHTS_NAME = "model.safetensors"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Weights to start from.

    Attributes:
        path: Packaged weights by name (``cad_small``: the newest of that family), a folder of weights or an ``.onnx``
            file that was exported from a net like this one, the folder of a run or its ``best``, or a safetensors file.
        prefixes: Parts to take, as beginnings of names (``face_encoder.``); empty for everything.
    """

    path: str
    prefixes: list[str] = field(default_factory=list)


def load_parts(net: nn.Module, starts: Sequence[StartFrom]) -> set[str]:
    """Copy the named parts of each source into ``net``; later ones win over earlier ones.

    Returns:
        The names of the tensors that were taken.

    Raises:
        OptionError: A source cannot be read, or a prefix is in the source or the net but not in both, or shapes differ.
        WeightsIntegrityError: A packaged model is damaged.
    """
    started: set[str] = set()
    for start in starts:
        found = _tensors_of(start.path, net)
        own = net.state_dict()
        taken: dict[str, torch.Tensor] = {}
        for prefix in start.prefixes or [""]:
            taken |= _part(found, own, prefix, start.path)
        net.load_state_dict(taken, strict=False)
        started |= taken.keys()
        _log.info("%d tensors from %s", len(taken), start.path)
    return started


def _tensors_of(name: str, net: nn.Module) -> dict[str, torch.Tensor]:
    """Return what a source has, training-only tensors of the net included where an exported graph lacks them."""
    entry = packaged_entry(name)
    path = Path(name)
    if entry is None and path.suffix != ".onnx":
        if not path.exists():
            known = ", ".join(packaged_names())
            raise OptionError(
                f"start_from: there is no {name}, neither as a file or run nor in the package ({known}); earlier "
                "stages are run by `python tools/train.py stages`"
            )
        return read_weights(path)
    found = read_packaged(entry or path, net)
    return {name: value for name, value in net.state_dict().items() if name.startswith(training_only(net))} | found


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, or of the folder of a run (its best weights, else its last ones).

    Raises:
        OptionError: They cannot be read.
    """
    places = (path / "best" / WEIGHTS_NAME, path / WEIGHTS_NAME) if path.is_dir() else (path,)
    file = next((place for place in places if place.is_file()), places[0])
    if file.exists() and not file.is_file():
        raise OptionError(f"{file} cannot be read as safetensors (it is no regular file)")  # a pipe would block
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
