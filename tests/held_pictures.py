# SPDX-License-Identifier: Apache-2.0
"""Small files in which pictures stand for long: what they cost must follow the pictures, not the time."""

from __future__ import annotations

import struct
from pathlib import Path

#: A GIF of four colours.
_COLOURS = bytes([200, 30, 30, 30, 30, 200, 30, 200, 30, 0, 0, 0])
#: 4 x 4 pixels of one colour, LZW-coded.
_PATCH = bytes.fromhex("84 8f 09 05")


def write_gif(path: Path, width: int, height: int, pictures: int, delay_cs: int) -> Path:
    """Write a GIF of large pictures that differ in a patch of 4 x 4 pixels; each stands for ``delay_cs`` hundredths."""
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF1, 0, 0), _COLOURS]
    for index in range(pictures):
        parts.append(b"\x21\xf9\x04" + struct.pack("<BHB", 4, delay_cs, 0) + b"\0")
        parts.append(b"\x2c" + struct.pack("<HHHHB", index, 0, 4, 4, 0))
        parts.append(b"\x02" + bytes([len(_PATCH)]) + _PATCH + b"\0")
    path.write_bytes(b"".join(parts) + b"\x3b")
    return path
