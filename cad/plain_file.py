# SPDX-License-Identifier: Apache-2.0
"""read_plain gives the bytes of a file that is opened once, and never those of a device, a pipe or a file too large."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_plain(path: str | Path, most_bytes: int) -> bytes:
    """Return all bytes of a regular file, or of the one that a symbolic link leads to.

    Args:
        path: Where it lies.
        most_bytes: A larger file is refused before a byte of it is read.

    Raises:
        OSError: It cannot be read, is no regular file, is empty or too large, or was changed meanwhile; ``strerror``
            says which.
    """
    try:
        _check(os.stat(path), most_bytes)  # noqa: PTH116 - before opening, since opening a device may do something
        # A pipe may have taken its place by now, and would block.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no path ({error})") from error
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        _check(status, most_bytes)
        content = file.read(status.st_size + 1)
    if len(content) != status.st_size:
        raise OSError(errno.EBUSY, f"it had {status.st_size} bytes and was changed while it was read")
    return content


def _check(status: os.stat_result, most_bytes: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a device, pipe or socket; only regular files are read")
    if status.st_size == 0:
        raise OSError(errno.EINVAL, "it is empty (0 bytes)")
    if status.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"it has {status.st_size} bytes; the limit is {most_bytes}")
