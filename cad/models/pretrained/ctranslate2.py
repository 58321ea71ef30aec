# SPDX-License-Identifier: Apache-2.0
"""parse_ctranslate2 gives the loader of Whisper the arrays in a ``model.bin`` of CTranslate2."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from cad.errors import WeightsError

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_KNOWN_VERSION = 6


def parse_ctranslate2(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays in the bytes of a ``model.bin`` by slash-separated name, in the precision of the file.

    Layout, little endian: version u32; spec name; revision u32; count u32; then for each variable its name, rank u8,
    dimensions u32 each, type u8 (0 float32, 1 int8, 2 int16, 3 int32, 4 float16), length in bytes u32, data; then
    aliases. A string is its length u16 with the closing zero, then the bytes.

    Source: CTranslate2's converter, ``ModelSpec._serialize`` (MIT).

    Raises:
        WeightsError: The bytes are not such a file.
    """
    cursor = _Cursor(data)
    try:
        version = cursor.number("I")
        if version != _KNOWN_VERSION:
            raise WeightsError(f"CTranslate2 file of version {version}; version {_KNOWN_VERSION} can be read")
        cursor.text()
        cursor.number("I")
        return dict(_variable(cursor) for _ in range(cursor.number("I")))
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise WeightsError(f"not a CTranslate2 model file, or cut short: {error}") from error


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.place)
        self.place += struct.calcsize(f"<{code}")
        return int(value)

    def text(self) -> str:
        return self.take(self.number("H"))[:-1].decode()

    def take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        if len(taken) != count:
            raise ValueError(f"{count} bytes wanted at {self.place}, {len(taken)} left")
        self.place += count
        return taken


def _variable(cursor: _Cursor) -> tuple[str, NDArray[np.generic]]:
    name = cursor.text()
    shape = [cursor.number("I") for _ in range(cursor.number("B"))]
    kind = cursor.number("B")
    if kind not in _DTYPES:
        raise ValueError(f"variable {name} has the unknown type {kind}")
    return name, np.frombuffer(cursor.take(cursor.number("I")), dtype=_DTYPES[kind]).reshape(shape)
