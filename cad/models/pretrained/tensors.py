# SPDX-License-Identifier: Apache-2.0
"""read_tensors gives the loaders of published weights the tensors of a safetensors file, alone or in its folder."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cad.errors import WeightsError, WeightsNotFoundError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name, or of ``model.safetensors`` in a folder.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is no safetensors file; pickles are not read.
    """
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise WeightsNotFoundError(f"there is no {file}")
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} cannot be read as safetensors ({error}); pickles are not accepted") from error
