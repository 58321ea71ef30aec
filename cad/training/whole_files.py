# SPDX-License-Identifier: Apache-2.0
"""``written_beside`` lets a run write a file that is never seen half: beside its place first, then moved."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError


@contextlib.contextmanager
def written_beside(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; the file there takes its place once it is on the disk.

    It has the mode that the umask asks for, whatever the writer thought of it (a temporary file is its owner's alone).

    Args:
        path: Where the file is to be.
        previous: Where the file that lies at ``path`` now goes; None to replace it.

    Raises:
        OSError: It cannot be written (a full disk, say): one sentence with its name. What was there stays, and no half
            file is left.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(b"")
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)
        _sync(part)
        if previous is not None and path.exists():
            path.replace(previous)
        part.replace(path)
        _sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError | SafetensorError):
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"{path} cannot be written, and what was there stays: {reason}") from error
        raise


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document, whole or not at all."""
    with written_beside(path) as part:
        part.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
