# SPDX-License-Identifier: Apache-2.0
"""Walks the boxes of MP4 and the elements of Matroska for headers that FFmpeg reads and does not hand on.

Everything is read by position and bounded: a header is untrusted like the rest of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

#: More boxes or elements than this are not looked at.
_MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One box or element.

    Attributes:
        kind: The box's type or the element's identifier.
        start: Where its content begins in the file.
        stop: Where it ends as it states, perhaps behind the end of the file; None where it does not say.
    """

    kind: bytes
    start: int
    stop: int | None


def boxes(fd: int, start: int, stop: int) -> Iterator[Entry]:
    """Yield the boxes of an ISO media file from ``start`` to ``stop``.

    Source: ISO/IEC 14496-12, 4.2.
    """
    for _ in range(_MAX_ENTRIES):
        head = os.pread(fd, 16, start)
        if start + 8 > stop or len(head) < 8:
            return
        size, kind, content = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if size == 1 and len(head) == 16:
            size, content = int.from_bytes(head[8:16], "big"), start + 16
        if size == 0:
            yield Entry(kind, content, None)
            return
        if start + size < content:
            return
        yield Entry(kind, content, start + size)
        start += size


def box_at(fd: int, path: tuple[bytes, ...], start: int, stop: int) -> list[Entry]:
    """Return the boxes that lie at ``path``, such as (b"moov", b"mvex", b"mehd")."""
    found = [box for box in boxes(fd, start, stop) if box.kind == path[0]]
    if len(path) == 1:
        return found
    return [inner for box in found for inner in box_at(fd, path[1:], box.start, min(box.stop or stop, stop))]


def elements(fd: int, start: int, stop: int) -> Iterator[Entry]:
    """Yield the elements of an EBML file from ``start`` to ``stop``.

    Source: RFC 8794, 4 to 6.
    """
    for _ in range(_MAX_ENTRIES):
        head = os.pread(fd, 12, start)
        if start >= stop or len(head) < 2 or not head[0]:
            return
        id_length = 9 - head[0].bit_length()
        size_byte = head[id_length : id_length + 1]
        if id_length > 4 or not size_byte or not size_byte[0]:
            return
        size_length = 9 - size_byte[0].bit_length()
        content = start + id_length + size_length
        raw = head[id_length : id_length + size_length]
        if len(raw) < size_length:
            return
        unknown = (1 << 7 * size_length) - 1
        size = int.from_bytes(raw, "big") & unknown
        if size == unknown:
            yield Entry(head[:id_length], content, None)
            return
        yield Entry(head[:id_length], content, content + size)
        start = content + size
