# SPDX-License-Identifier: Apache-2.0
"""InputFile gives MediaReader an open descriptor and the sha256 of what the caller named: a path, bytes or a stream.

A path is opened once, and everything that is said of the file is said of that descriptor: the decoding process gets
a copy of it, and the hash is read through it. Whether the bytes stayed the same meanwhile is told by the file's status
(``has_changed``). Every change counts but that of the access time: a file that was rewritten and given its old time of
modification differs in the time of the last change alone, and so does one that was given other rights, another name, a
further link, or was replaced. The kernel does not tell these apart, so all of them count. Where a symbolic
link leads by then is not looked at: the sha256 says which bytes were judged.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from cad.deadline import Deadline
from cad.errors import MediaLimitError, MediaNotFoundError, MediaUnreadableError, OptionError
from cad.media.anonymous import anonymous_file, seal
from cad.media.limits import MediaLimits

_log = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 20


class BinaryStream(Protocol):
    """Anything that gives bytes when it is read: an open file, a socket's file, io.BytesIO."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to ``size`` bytes, none at the end."""


MediaInput = str | Path | bytes | bytearray | memoryview | BinaryStream


class InputFile:
    """One open file, whatever it came from; the bytes that are decoded are those that are hashed, or it has changed.

    Args:
        fd: Descriptor, which belongs to this object from now on. Changes count from now on, too.
        name: What reports and errors call the file.
        is_hashed: Whether start_hashing does anything.

    Attributes:
        fd: The descriptor, for reading.
        name: As given.
    """

    def __init__(self, fd: int, name: str | Path, is_hashed: bool = True) -> None:
        self.fd = fd
        self.name = name
        self._is_hashed = is_hashed
        self._opened = _state(fd)
        self._changed = False
        self._stop = threading.Event()
        self._digests: list[str] = []
        self._thread: threading.Thread | None = None
        self._finalizer = weakref.finalize(self, _close, fd, self._stop)

    def start_hashing(self) -> None:
        """Hash the file in a thread of its own, beside the decoding."""
        if self._is_hashed and self._thread is None and not self._digests:
            arguments = (os.dup(self.fd), self._stop, self._digests)
            thread = threading.Thread(target=_hash_file, args=arguments, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads, so decoding waits for the hash
                _hash_file(*arguments)
            else:
                self._thread = thread

    def sha256(self, wait_seconds: float | None = None) -> str:
        """Return the sha256 of the file in hexadecimal; empty if it was not hashed to its end.

        Args:
            wait_seconds: How long to wait for it; None: as long as it takes.
        """
        if self._thread is not None:
            self._thread.join(wait_seconds)
        return "".join(self._digests)

    def reopen(self) -> InputFile | None:
        """Return the same file, by whatever name it goes now, opened once more with a position of its own.

        None where the system has no way to do so.
        """
        for path in (f"/proc/self/fd/{self.fd}", self.name):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except (OSError, ValueError):
                continue
            if os.path.samestat(os.fstat(fd), os.fstat(self.fd)):
                return InputFile(fd, self.name, is_hashed=False)
            os.close(fd)
        return None

    def has_changed(self) -> bool:
        """Say whether the file has been changed since it was opened; once it is closed, whether it was until then."""
        if self._finalizer.alive:
            self._changed = self._changed or _state(self.fd) != self._opened
        return self._changed

    def close(self) -> None:
        """Close the file and end the hashing; may be called twice."""
        self.has_changed()
        self._finalizer()
        if self._thread is not None:
            self._thread.join()


def open_input(
    media: MediaInput, limits: MediaLimits, name: str | None = None, deadline: Deadline | None = None
) -> InputFile:
    """Open what the caller named; bytes and streams are copied to a file in memory that has no name.

    Args:
        media: A path, the bytes of a file, or a binary stream, which is read from where it stands.
        limits: ``max_file_bytes`` holds for all, ``max_spooled_bytes`` for bytes and streams.
        name: What reports call it; None takes the path, ``<bytes>`` or ``<stream>``.
        deadline: By when a stream must have been read; None takes that of the limits, from now on.

    Raises:
        MediaNotFoundError: There is no such file, or it is a directory.
        MediaTimeoutError: Reading the stream took too long.
        MediaUnreadableError: It is a device or pipe, is empty, may not be read, or the stream failed.
        MediaLimitError: It is larger than a limit.
        OptionError: It is none of the accepted things, or a text stream.
    """
    if isinstance(media, (str, Path)):
        return _open_path(media, limits, name or media)
    deadline = deadline or Deadline(limits.wall_seconds)
    if isinstance(media, (bytes, bytearray, memoryview)):
        view = memoryview(media)
        flat = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
        blocks = (flat[at : at + _BLOCK_BYTES] for at in range(0, len(flat), _BLOCK_BYTES))
        return _spool(lambda size: next(blocks, b""), limits, name or "<bytes>", deadline)
    if callable(read := getattr(media, "read", None)):
        return _spool(read, limits, name or "<stream>", deadline)
    raise OptionError(
        f"a medium must be a path (str or Path), bytes, bytearray, memoryview or a binary stream with read(), "
        f"got {type(media).__name__}"
    )


def _open_path(path: str | Path, limits: MediaLimits, name: str | Path) -> InputFile:
    try:
        _check_status(name, Path(path).stat(), limits)  # before opening, since opening a device may do something
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaNotFoundError(name, "there is no such file") from error
    except PermissionError as error:
        raise MediaUnreadableError(name, "cannot be opened (permission denied)") from error
    except (OSError, ValueError) as error:
        raise MediaUnreadableError(
            name, f"cannot be opened ({getattr(error, 'strerror', None) or str(error)})"
        ) from error
    try:
        _check_status(name, os.fstat(fd), limits)
    except BaseException:
        os.close(fd)
        raise
    return InputFile(fd, name)


def _spool(read: Callable[[int], Any], limits: MediaLimits, name: str, deadline: Deadline) -> InputFile:
    """Copy what ``read`` gives to a file without a name."""
    fd = anonymous_file("cad-input")
    left = most = min(limits.max_file_bytes, limits.max_spooled_bytes)
    try:
        while block := _block(read, min(_BLOCK_BYTES, left + 1), name):
            deadline.check(name)
            left -= len(block)
            if left < 0:
                raise MediaLimitError(name, f"has more than {most} bytes, which is the limit")
            while block:
                block = block[os.write(fd, block) :]
        if left == most:
            raise MediaUnreadableError(name, "is empty (0 bytes)")
        seal(fd, writable=False)
    except BaseException:
        os.close(fd)
        raise
    return InputFile(fd, name)


def _block(read: Callable[[int], Any], size: int, name: str) -> memoryview:
    try:
        block = read(size)
    except Exception as error:  # whatever the caller's stream raises, this input cannot be read
        raise MediaUnreadableError(name, f"its stream failed ({type(error).__name__}: {error})") from error
    if block is None:
        raise MediaUnreadableError(name, "its stream has no bytes ready; streams that do not block are not read")
    if not isinstance(block, (bytes, bytearray, memoryview)):
        kind = "text" if isinstance(block, str) else type(block).__name__
        raise OptionError(f"{name}: the stream must give bytes, got {kind}; open files in binary mode (rb)")
    return memoryview(block)


def _check_status(name: str | Path, status: os.stat_result, limits: MediaLimits) -> None:
    """Check that it is a regular file, not empty and within the limits."""
    if stat.S_ISDIR(status.st_mode):
        raise MediaNotFoundError(name, "is a directory; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise MediaUnreadableError(name, "is a device, pipe or socket; only regular files are read")
    if status.st_size == 0:
        raise MediaUnreadableError(name, "is empty (0 bytes)")
    if status.st_size > limits.max_file_bytes:
        raise MediaLimitError(name, f"has {status.st_size} bytes; the limit is {limits.max_file_bytes}")


def _state(fd: int) -> tuple[int, ...]:
    """Return what differs once anybody has written to a file or done anything else to it but read it."""
    status = os.fstat(fd)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _close(fd: int, stop: threading.Event) -> None:
    stop.set()
    os.close(fd)


def _hash_file(fd: int, stop: threading.Event, digests: list[str]) -> None:
    """Hash a file, close it, and put the digest into ``digests`` unless it was stopped."""
    digest, at = hashlib.sha256(), 0
    try:
        # Read by position: the decoding process shares the one that read() would move.
        while not stop.is_set() and (block := os.pread(fd, _BLOCK_BYTES, at)):
            digest.update(block)
            at += len(block)
    except OSError as error:
        _log.warning("the sha256 could not be computed: %s", error)
        return
    finally:
        os.close(fd)
    if not stop.is_set():
        digests.append(digest.hexdigest())
