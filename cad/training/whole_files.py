# SPDX-License-Identifier: Apache-2.0
"""``written_beside`` lets a run write a file that is never seen half, weights too."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cad import whole_files


def written_beside(path: Path, previous: Path | None = None) -> AbstractContextManager[Path]:
    """Give a path beside ``path`` to write to; see ``cad.whole_files``."""
    return whole_files.written_beside(path, previous, failures=(OSError, SafetensorError))


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document, whole or not at all."""
    with written_beside(path) as part:
        part.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
