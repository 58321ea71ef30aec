# SPDX-License-Identifier: Apache-2.0
"""Channel: short JSON messages over a pair of pipes, with time-outs and a bound on their size.

Nothing is unpickled: the other side decodes hostile files and is not trusted to send code.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time
from typing import Any

MAX_MESSAGE_BYTES = 1 << 20
_HEADER = struct.Struct("<I")


class ChannelClosedError(Exception):
    """The other side is gone, or sent something that is no message."""


class Channel:
    """Messages are JSON objects, each after its length as 4 bytes.

    Args:
        read_fd: Descriptor that messages come from.
        write_fd: Descriptor that messages go to.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._pending = bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message.

        Raises:
            ChannelClosedError: The other side has closed its end.
        """
        body = json.dumps(message, separators=(",", ":")).encode("ascii")
        view = memoryview(_HEADER.pack(len(body)) + body)
        try:
            while view:
                view = view[os.write(self._write_fd, view) :]
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self, timeout_seconds: float | None = None) -> dict[str, Any] | None:
        """Return the next message, or None when none came within ``timeout_seconds`` (None waits for ever).

        Raises:
            ChannelClosedError: The other side has closed its end or broke the framing.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            message = self._take()
            if message is not None:
                return message
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not _readable(self._read_fd, left):
                return None
            self._fill()

    def poll(self) -> bool:
        """Return whether ``receive`` would return at once."""
        return len(self._pending) >= _HEADER.size or _readable(self._read_fd, 0.0)

    def _fill(self) -> None:
        try:
            data = os.read(self._read_fd, 1 << 16)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        if not data:
            raise ChannelClosedError("end of stream")
        self._pending += data

    def _take(self) -> dict[str, Any] | None:
        if len(self._pending) < _HEADER.size:
            return None
        (size,) = _HEADER.unpack_from(self._pending)
        if size > MAX_MESSAGE_BYTES:
            raise ChannelClosedError(f"a message of {size} bytes")
        end = _HEADER.size + size
        if len(self._pending) < end:
            return None
        body = bytes(self._pending[_HEADER.size : end])
        del self._pending[:end]
        try:
            message = json.loads(body)
        except ValueError as error:
            raise ChannelClosedError("a message that is not JSON") from error
        if not isinstance(message, dict):
            raise ChannelClosedError("a message that is not an object")
        return message


if sys.platform == "win32":  # pragma: no cover - select() knows only sockets there

    def _readable(fd: int, timeout_seconds: float | None) -> bool:
        import _winapi
        import msvcrt

        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            try:
                if _winapi.PeekNamedPipe(msvcrt.get_osfhandle(fd), 0)[0]:
                    return True
            except OSError:
                return True  # closed: the read that follows says so
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(0.002)

else:

    def _readable(fd: int, timeout_seconds: float | None) -> bool:
        poller = select.poll()  # select() fails on descriptors above 1023
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(None if timeout_seconds is None else timeout_seconds * 1000))
