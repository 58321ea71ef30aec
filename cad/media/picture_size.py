# SPDX-License-Identifier: Apache-2.0
"""check_stated_size refuses pictures whose own header says that they are too large.

FFmpeg refuses them, too, from some size on, but then says nothing of the size: such a file would look damaged.
"""

from __future__ import annotations

import os
import re
import struct

from cad.media.limits import MediaLimits

#: Headers stand near the beginning; before the size of a JPEG there may be some segments of 64 kB.
_HEAD_BYTES, _AVI_HEAD_BYTES = 64, 4096
_MAX_SEGMENTS = 1000
#: Markers of JPEG that begin a picture (SOF0 to SOF15): all of this range but DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_FORMS = {3: "H", 4: "I"}
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,10})\s+(\d{1,10})\s")

Size = tuple[int, int]


def check_stated_size(fd: int, name: str, limits: MediaLimits) -> None:
    """Check the size that a header states with which nothing but its pictures can agree; others are not looked at.

    Args:
        fd: Descriptor of the file.
        name: What errors call it.
        limits: Say how many pixels a picture may have.

    Raises:
        MediaLimitError: It is larger.
    """
    size = stated_size(fd)
    if size is not None:
        limits.check_picture(name, *size)


def stated_size(fd: int) -> Size | None:
    """Return width and height of a PNG, JPEG, GIF, BMP, TIFF, WebP, PNM, PSD, JPEG 2000 or uncompressed AVI.

    Coded video knows its own size, whatever its container says.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    try:
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return _sides(">II", head, 16)
        if head[:3] == b"\xff\xd8\xff":
            return _jpeg(fd)
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return _sides("<HH", head, 6)
        if head[:2] == b"BM":
            width, height = _sides("<HH" if head[14] == 12 else "<ii", head, 18)
            return abs(width), abs(height)  # a negative height says that the rows begin at the top
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp(head)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _raw_avi(os.pread(fd, _AVI_HEAD_BYTES, 0))
        if head[:4] in _TIFF_ORDERS:
            return _tiff(fd, _TIFF_ORDERS[head[:4]])
        if head[:4] == b"8BPS":
            return _sides(">II", head, 14)[::-1]
        if head[:4] == b"\xff\x4f\xff\x51":  # a bare codestream of JPEG 2000
            return _sides(">II", head, 8)
        if match := _PNM.match(head):
            return int(match[1]), int(match[2])
    except (struct.error, IndexError):  # the header is cut off
        pass
    return None


def _sides(form: str, data: bytes, at: int) -> Size:
    first, second = struct.unpack_from(form, data, at)
    return int(first), int(second)


def _jpeg(fd: int) -> Size | None:
    """Return the size in the first frame header, which comes behind thumbnails. Source: ITU-T T.81, B.2.2."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        mark, kind, length = struct.unpack(">BBH", os.pread(fd, 4, position))
        if mark != 0xFF or length < 2:
            return None
        if kind in _JPEG_FRAMES:
            return _sides(">HH", os.pread(fd, 4, position + 5), 0)[::-1]
        position += 2 + length
    return None


def _webp(head: bytes) -> Size | None:
    """Source: RFC 9649, 2.5 to 2.7."""
    kind, content = head[12:16], head[20:]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (4, 7))
        return width, height
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 1)
        return int(bits & 0x3FFF) + 1, int(bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = _sides("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _raw_avi(head: bytes) -> Size | None:
    """Return the size of the first picture stream if it is not compressed. Source: Microsoft, BITMAPINFOHEADER."""
    at = head.find(b"strf", max(0, head.find(b"vids"))) + 8
    width, height = _sides("<ii", head, at + 4)
    return (abs(width), abs(height)) if at > 8 and head[at + 16 : at + 20] == bytes(4) else None


def _tiff(fd: int, order: str) -> Size | None:
    """Return the size of the first page. Source: TIFF 6.0, section 2."""
    (position,) = struct.unpack(order + "I", os.pread(fd, 4, 4))
    (count,) = struct.unpack(order + "H", os.pread(fd, 2, position))
    entries = os.pread(fd, 12 * count, position + 2)
    sides: dict[int, int] = {}
    for at in range(0, len(entries) - 11, 12):
        tag, form = struct.unpack_from(order + "HH", entries, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and form in _TIFF_FORMS:
            (sides[tag],) = struct.unpack_from(order + _TIFF_FORMS[form], entries, at + 8)
    return (sides[_TIFF_WIDTH], sides[_TIFF_HEIGHT]) if len(sides) == 2 else None
