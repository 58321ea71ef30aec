# SPDX-License-Identifier: Apache-2.0
"""composed_picture gives the decoding process pictures of which FFmpeg decodes only parts; besides names the rest.

FFmpeg knows the tiles of a HEIC or AVIF photograph and the pictures of an animated WebP file, but not how they belong
together. It shows the first picture of a JPEG or TIFF file that has several.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from cad.media.heif import read_picture_map
from cad.media.limits import MediaLimits
from cad.media.orientation import EXIF_ORIENTATIONS, Orientation, exif_orientation
from cad.media.records import MediaInfo, in_words
from cad.media.tiles import TiledPicture
from cad.media.webp import open_animated_webp

#: Tags, and the index of further pictures in a JPEG, stand near the beginning,
_HEAD_BYTES = 1 << 18
#: in WebP always and in PNG sometimes near the end.
_PNG_START = b"\x89PNG"
_TAGS_AT_END = (b"RIFF", _PNG_START)
_JPEG_START, _JPEG_END, _SCAN, _MPF_MARK = b"\xff\xd8\xff", b"\xff\xd9", 0xDA, b"MPF\0"
#: A GIF ends with an empty block and a semicolon; some bytes may follow.
_GIF_STARTS, _GIF_END, _GIF_TAIL_BYTES = (b"GIF87a", b"GIF89a"), b"\0;", 256
_MPF_PICTURES_TAG = 0xB001
_BLOCK_BYTES = 1 << 20
#: The film of a motion photo is looked for in so much of the file's end.
_TAIL_BYTES = 64 << 20
_FILM_BRANDS = (b"ftypmp4", b"ftypiso", b"ftypqt ", b"ftypMSN", b"ftyp3gp")
#: TIFF files with more pages than this are counted up to here.
_MAX_PAGES = 1000
_SUBFILE_TYPE_TAG, _REDUCED_OR_MASK, _ORIENTATION_TAG = 0x00FE, 0x05, 0x0112
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
#: By the number of a TIFF type, that of struct.
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I"}


class ComposedPicture(Protocol):
    """A picture, still or moving, that is put together from what FFmpeg decodes.

    Attributes:
        info: What the file says of itself.
        orientation: How its frames must be turned to stand upright.
        bad_packets: Parts that did not decode so far.
    """

    info: MediaInfo
    orientation: Orientation
    bad_packets: int

    def share(self, frame: Any) -> float:
        """Return how much of a frame was decoded, in [0, 1]."""

    def frames(self, on_packet: Callable[[], None]) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, frame) in order of presentation; ``on_packet`` is called for every part."""

    def close(self) -> None:
        """Let go of the file, not of its descriptor."""


def composed_picture(fd: int, name: str, limits: MediaLimits) -> ComposedPicture | None:
    """Return the picture of a HEIC or AVIF still or of an animated WebP; None where FFmpeg alone reads the file.

    Args:
        fd: Descriptor of the file; not closed.
        name: What errors call it.
        limits: What it may cost.

    Raises:
        MediaUnreadableError: It is of this kind, and damaged or not decodable.
        MediaLimitError: It has more pixels or seconds than the limits allow.
    """
    picture = read_picture_map(fd, name)
    if picture is not None:
        return TiledPicture(fd, name, limits, picture)
    return open_animated_webp(fd, name, limits)


def besides(fd: int) -> tuple[str, ...]:
    """Return what a JPEG or TIFF file holds beside its first picture: further pages or views, a film behind it.

    Args:
        fd: Descriptor of the file.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    try:
        if head.startswith(_JPEG_START):
            return in_words(_more_views(head), _has_film(fd))
        if head[:4] in _TIFF_ORDERS:
            return in_words(_more_pages(fd), False)
    except struct.error:  # damage behind the first picture
        pass
    return ()


def still_orientation(fd: int) -> Orientation | None:
    """Return how a JPEG, PNG, WebP or TIFF must be turned by its own tags, None without such a tag.

    Args:
        fd: Descriptor of the file.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    if head[:4] in _TIFF_ORDERS:
        with contextlib.suppress(struct.error):
            return EXIF_ORIENTATIONS.get(next(_directories(fd), {}).get(_ORIENTATION_TAG, 0))
        return None
    stated = exif_orientation(head)
    if stated is None and head.startswith(_TAGS_AT_END):
        stated = exif_orientation(os.pread(fd, _HEAD_BYTES, max(0, os.fstat(fd).st_size - _HEAD_BYTES)))
    return stated


def apng_frames(fd: int) -> int | None:
    """Return how many pictures an animated PNG states, None for any other file.

    Source: PNG, third edition, 11.3.6.1 (acTL); it comes before the picture.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    at = head.find(b"acTL") + 4 if head.startswith(_PNG_START) else 3
    return int.from_bytes(head[at : at + 4], "big") or None if at > 3 else None


def is_cut_short(fd: int) -> bool:
    """Return whether a JPEG or GIF ends before its end: FFmpeg shows what there is and finds nothing wrong.

    Args:
        fd: Descriptor of the file.
    """
    head = os.pread(fd, 6, 0)
    if head.startswith(_JPEG_START):
        return not _has_after(fd, _JPEG_END, _first_scan(fd))  # thumbnails, which end alike, come before the first scan
    if head in _GIF_STARTS:
        return not _has_after(fd, _GIF_END, max(0, os.fstat(fd).st_size - _GIF_TAIL_BYTES))
    return False


def share_of_jpeg(frame: Any) -> float:
    """Return how much of the picture of a JPEG that ends early was decoded.

    What is missing was left at zero, or in CMYK, which is turned into RGB, at one colour.

    Args:
        frame: As FFmpeg decoded it.
    """
    width, height = min(plane.width for plane in frame.planes), min(plane.height for plane in frame.planes)
    is_empty = np.ones((height, width), np.bool_)
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        seen = rows[:: plane.height // height, :: plane.width // width][:height, :width]
        is_empty &= seen == (seen[-1, -1] if frame.format.is_rgb else 0)
    return 1.0 - float(is_empty.mean())


def _first_scan(fd: int) -> int:
    """Return where the first scan of a JPEG begins, or where its segments end without one."""
    position = 2
    while (head := os.pread(fd, 4, position))[:1] == b"\xff" and len(head) == 4 and head[1] != _SCAN:
        position += 2 + int.from_bytes(head[2:], "big")
    return position


def _has_after(fd: int, mark: bytes, position: int) -> bool:
    """Return whether ``mark`` comes at ``position`` or later; the file is read piece by piece, however long it is."""
    while len(block := os.pread(fd, _BLOCK_BYTES, position)) >= len(mark):
        if mark in block:
            return True
        position += len(block) - len(mark) + 1
    return False


def _more_views(head: bytes) -> int:
    """Return how many pictures the multi-picture index of a JPEG lists beside the first.

    Source: CIPA DC-007 (Multi-Picture Format), 5.2.
    """
    at = head.find(_MPF_MARK)
    if at < 0:
        return 0
    tiff = head[at + len(_MPF_MARK) :]
    order = "<" if tiff[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for index in range(count):
        tag, _, _, value = struct.unpack_from(order + "HHII", tiff, directory + 2 + 12 * index)
        if tag == _MPF_PICTURES_TAG:
            return max(0, int(value) - 1)
    return 0


def _has_film(fd: int) -> bool:
    """Return whether an MP4 follows the photograph, as in the motion photos of telephones."""
    size = os.fstat(fd).st_size
    start = max(0, size - _TAIL_BYTES)
    tail = os.pread(fd, _TAIL_BYTES, start)
    return any(mark in tail for mark in _FILM_BRANDS)


def _more_pages(fd: int) -> int:
    """Return how many full pages follow the first of a TIFF; smaller copies and masks are none."""
    pages = sum(not page.get(_SUBFILE_TYPE_TAG, 0) & _REDUCED_OR_MASK for page in _directories(fd))
    return max(0, pages - 1)


def _directories(fd: int) -> Iterator[dict[int, int]]:
    """Yield the whole numbers of each directory (page) of a TIFF, by tag.

    Source: TIFF 6.0, section 2.
    """
    order = _TIFF_ORDERS[os.pread(fd, 4, 0)]
    (position,) = struct.unpack(order + "I", os.pread(fd, 4, 4))
    seen: set[int] = set()
    while position and position not in seen and len(seen) < _MAX_PAGES:
        seen.add(position)
        (count,) = struct.unpack(order + "H", os.pread(fd, 2, position))
        entries = os.pread(fd, 12 * count + 4, position + 2)
        values: dict[int, int] = {}
        for at in range(0, 12 * count, 12):
            tag, form = struct.unpack_from(order + "HH", entries, at)
            if form in _WHOLE_NUMBERS:
                (values[tag],) = struct.unpack_from(order + _WHOLE_NUMBERS[form], entries, at + 8)
        yield values
        (position,) = struct.unpack_from(order + "I", entries, 12 * count)
