# SPDX-License-Identifier: Apache-2.0
"""Channel carries short JSON messages between reader and decoding process, with time-outs and a bound on their size.

Nothing is unpickled: the other side decodes hostile files and is not trusted to send code.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from typing import Any

MAX_MESSAGE_BYTES = 1 << 20
_HEADER = struct.Struct("<I")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class ChannelClosedError(Exception):
    """The other side is gone, or has sent something that is no message."""


class Channel:
    """One end of the connection; a message is a JSON object after its length in 4 bytes.

    Args:
        end: One end of a pair of Unix stream sockets.
        takes_descriptors: Keep the descriptors that come with messages; otherwise the kernel drops them.
    """

    def __init__(self, end: socket.socket, takes_descriptors: bool = False) -> None:
        self._socket = end
        self._takes_descriptors = takes_descriptors
        self._descriptors: list[int] = []
        self._pending = bytearray()

    def send(self, message: dict[str, Any], fd: int | None = None) -> None:
        """Write one message, and with it a descriptor of which the other side gets a copy.

        Raises:
            ChannelClosedError: The other side has closed its end.
        """
        body = _ENCODER.encode(message).encode("ascii")
        view = memoryview(_HEADER.pack(len(body)) + body)
        try:
            if fd is not None:
                view = view[socket.send_fds(self._socket, [view], [fd]) :]
            while view:  # by write(), since the decoding process may not send()
                view = view[os.write(self._socket.fileno(), view) :]
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self, timeout_seconds: float | None = None) -> dict[str, Any] | None:
        """Return the next message, or None when none came within ``timeout_seconds`` (None waits for ever).

        Raises:
            ChannelClosedError: The other side has closed its end or has sent what is no message.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            message = self._take()
            if message is not None:
                return message
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not _readable(self._socket.fileno(), left):
                return None
            self._fill()

    def poll(self) -> bool:
        """Return whether ``receive`` would return at once."""
        return len(self._pending) >= _HEADER.size or _readable(self._socket.fileno(), 0.0)

    def take_descriptor(self) -> int:
        """Return the descriptor that came with the last message, which belongs to the caller.

        Raises:
            ChannelClosedError: None came.
        """
        if not self._descriptors:
            raise ChannelClosedError("a message without its descriptor")
        return self._descriptors.pop()

    def _fill(self) -> None:
        try:
            if self._takes_descriptors:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 1 << 16, 1)
                self._descriptors += descriptors
            else:
                data = os.read(self._socket.fileno(), 1 << 16)
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


def _readable(fd: int, timeout_seconds: float | None) -> bool:
    poller = select.poll()  # select() fails on descriptors above 1023
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(None if timeout_seconds is None else timeout_seconds * 1000))
