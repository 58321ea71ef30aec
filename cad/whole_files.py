# SPDX-License-Identifier: Apache-2.0
"""``written_beside`` writes a file that is never seen half: beside its place first, then moved."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(
    path: Path,
    previous: Path | None = None,
    part: Path | None = None,
    failures: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; the file there takes its place once it is on the disk.

    It has the mode that the umask asks for, whatever the writer thought of it (a temporary file is its owner's alone).

    Args:
        path: Where the file is to be.
        previous: Where the file that lies at ``path`` now goes; None to replace it.
        part: What to write to, in the same folder, which must not exist; None takes the name with ``.part`` behind it,
            where what a killed run left is written over.
        failures: What the writer raises where it cannot write.

    Raises:
        OSError: It cannot be written (a full disk, say): one sentence with its name. What was there stays, and no half
            file is left.
    """
    named, part = part, part or path.with_name(f"{path.name}.part")
    try:
        if named is None:
            part.unlink(missing_ok=True)
        part.open("xb").close()  # never through a link, nor into what somebody else has made
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
        if isinstance(error, (OSError, *failures)):
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"{path} cannot be written, and what was there stays: {reason}") from error
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
