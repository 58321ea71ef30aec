# SPDX-License-Identifier: Apache-2.0
"""What can be said of a path before any of its bytes are parsed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cad.errors import MediaError, MediaLimitError, MediaNotFoundError, MediaUnreadableError
from cad.media.limits import MediaLimits


def check_path(path: str | Path, limits: MediaLimits) -> None:
    """Check that ``path`` is a readable, non-empty regular file of bearable size.

    Raises:
        MediaNotFoundError: There is none, or it is a directory.
        MediaUnreadableError: It is a device or pipe, is empty, or may not be read.
        MediaLimitError: It is larger than ``limits.max_file_bytes``.
    """
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaNotFoundError(path, "there is no such file") from error
    except (OSError, ValueError) as error:
        raise MediaUnreadableError(path, f"cannot be opened ({_reason(error)})") from error
    _check_status(path, status, limits)
    if not os.access(path, os.R_OK):
        raise MediaUnreadableError(path, "cannot be opened (permission denied)")


def _check_status(path: str | Path, status: os.stat_result, limits: MediaLimits) -> None:
    error: MediaError | None = None
    if stat.S_ISDIR(status.st_mode):
        error = MediaNotFoundError(path, "is a directory; name the files in it")
    elif not stat.S_ISREG(status.st_mode):
        error = MediaUnreadableError(path, "is a device, pipe or socket; only regular files are read")
    elif status.st_size == 0:
        error = MediaUnreadableError(path, "is empty (0 bytes)")
    elif status.st_size > limits.max_file_bytes:
        error = MediaLimitError(path, f"has {status.st_size} bytes; the limit is {limits.max_file_bytes}")
    if error is not None:
        raise error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
