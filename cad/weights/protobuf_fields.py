# SPDX-License-Identifier: Apache-2.0
"""Takes an ONNX file apart into protobuf fields and puts it together again, for its notes and ``portable_graph``.

The core has no ``onnx`` package. Fields that nobody touches stay views of the file's own bytes.

Sources: https://protobuf.dev/programming-guides/encoding and onnx.proto (numbers of the fields).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: How the content of a field is written.
VARINT, EIGHT_BYTES, COUNTED, FOUR_BYTES = 0, 1, 2, 5
_SIZES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its number, and its bytes or its value."""

    number: int
    kind: int
    value: int | bytes | memoryview

    @property
    def content(self) -> bytes | memoryview:
        """The bytes of a string or of a message inside; empty for a number."""
        return b"" if isinstance(self.value, int) else self.value

    @property
    def text(self) -> str:
        """The bytes of a string, decoded."""
        return bytes(self.content).decode("utf-8")


def read_fields(message: bytes | memoryview) -> Iterator[Field]:
    """Yield the fields of a message in their order.

    Raises:
        ValueError: It is no message.
        IndexError: It ends within a number.

    Example:
        >>> [(field.number, field.text) for field in read_fields(string_field(4, "MatMul"))]
        [(4, 'MatMul')]
    """
    view = memoryview(message)
    at = 0
    while at < len(view):
        tag, at = varint(view, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = varint(view, at)
            yield Field(number, kind, value)
            continue
        size = _SIZES.get(kind, 0)
        if kind == COUNTED:
            size, at = varint(view, at)
        elif not size:
            raise ValueError(f"a field of kind {kind} at byte {at}")
        if at + size > len(view):
            raise ValueError(f"a field that does not fit at byte {at}")
        yield Field(number, kind, view[at : at + size])
        at += size


def joined(fields: Iterable[Field]) -> bytes:
    """Return the message that has these fields."""
    parts: list[bytes | memoryview] = []
    for field in fields:
        parts.append(_number((field.number << 3) | field.kind))
        if isinstance(field.value, int):
            parts.append(_number(field.value))
            continue
        if field.kind == COUNTED:
            parts.append(_number(len(field.value)))
        parts.append(field.value)
    return b"".join(parts)


def counted_field(number: int, content: bytes | memoryview) -> Field:
    """Return a field that holds bytes: a string or another message."""
    return Field(number, COUNTED, content)


def string_field(number: int, text: str) -> bytes:
    """Return a message that has one string."""
    return joined([counted_field(number, text.encode("utf-8"))])


def varint(content: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return the number of seven bits a byte that begins at ``at``, and where it ends.

    Raises:
        ValueError: It has no end.
        IndexError: The bytes end within it.
    """
    value = content[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for index in range(1, 10):
        byte = content[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError(f"a number without an end at byte {at}")


def _number(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
