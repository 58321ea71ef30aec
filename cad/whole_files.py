# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are never seen half: written beside their place first, then moved."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path


def replaces_regular(path: Path) -> bool:
    """Say whether a file lies at ``path`` that a new one replaces.

    Raises:
        OSError: It is no regular file: a link, which is not followed, a folder, device, pipe or socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        kind = "a symbolic link; name the file that it leads to" if stat.S_ISLNK(mode) else "no regular file"
        raise OSError(f"that is {kind}")
    return True


@contextlib.contextmanager
def written_beside(
    path: Path,
    previous: Path | None = None,
    part: Path | None = None,
    failures: tuple[type[Exception], ...] = (OSError,),
    may_replace: Callable[[], bool] | None = None,
) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; the file there takes its place once it is on the disk.

    It has the mode that the umask asks for, whatever the writer thought of it (a temporary file is its owner's alone).

    Args:
        path: Where the file is to be.
        previous: Where the file that lies at ``path`` now goes; None to replace it.
        part: What to write to, in the same folder, which must not exist; None takes the name with ``.part`` behind it,
            where what a killed run left is written over.
        failures: What the writer raises where it cannot write.
        may_replace: Says whether something lies at ``path``, and raises if that may not be replaced; asked at once and
            just before the move. Where nothing lay then, nothing is replaced. None takes ``replaces_regular``.

    Raises:
        OSError: It cannot be written (a full disk, say): one sentence with its name. What was there stays, and no half
            file is left.
    """
    named, part = part, part or path.with_name(f"{path.name}.part")
    may_replace = may_replace or (lambda: replaces_regular(path))
    is_ours = False
    try:
        may_replace()
        if named is None:
            part.unlink(missing_ok=True)
        part.open("xb").close()  # never through a link, nor into what somebody else has made
        is_ours = True
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)
        _sync(part)
        lies_there = may_replace()
        if lies_there and previous is not None:
            path.replace(previous)
            lies_there = False
        if lies_there:
            part.replace(path)
        else:
            _move_to_new(part, path)
        _sync(path.parent)
    except BaseException as error:
        if is_ours:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, (OSError, *failures)):
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"{path} cannot be written, and what was there stays: {reason}") from error
        raise


@contextlib.contextmanager
def folder_written_beside(folder: Path) -> Iterator[Path]:
    """Give a new folder beside ``folder`` to fill; it takes that one's place once the block has ended well.

    Args:
        folder: Where it is to be. A folder that lies there is replaced, and gone only afterwards: the caller has
            looked whether it may be.

    Raises:
        OSError: It cannot be written or moved; what was there stays.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    old = partial.with_name(f"{partial.name}.old")
    try:
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.rename(old)
        try:
            partial.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_to_new(part: Path, path: Path) -> None:
    """Move a file to where nothing lies, and replace nothing that has come to lie there a moment ago."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        part.replace(path)
    else:
        part.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
