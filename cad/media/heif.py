# SPDX-License-Identifier: Apache-2.0
"""read_picture_map tells how the still picture of a HEIC or AVIF file is put together, and what else the file holds.

FFmpeg reads such a file as a heap of pictures: the tiles of a grid, its thumbnail, its depth map. How they belong
together stands in the file's ``meta`` box, which is read here.

Source: ISO/IEC 23008-12 (HEIF) and ISO/IEC 14496-12, clauses on the boxes that are named.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.errors import MediaUnreadableError
from cad.media.orientation import EXIF_ORIENTATIONS, Orientation, turn

#: Brands of files whose main content is one still picture; sequences have others (``avis``, ``msf1``, ``hevc``).
_STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"avif", b"mif1", b"mif2", b"miaf", b"MiHE", b"MiHB"})
#: More than this much structure, for a thousand tiles some 100 kB, is no photograph.
_MAX_META_BYTES = 16 << 20
#: The box is looked for among the first few of the file.
_MAX_TOP_BOXES = 64
#: A sequence of pictures, and the film that some telephones put behind a photograph.
_VIDEO_BOXES = (b"moov", b"mpvd")
#: References by which a picture serves another: its thumbnail, its alpha or depth, what it is derived from.
_AUXILIARY, _THUMBNAIL, _DERIVED = b"auxl", b"thmb", b"dimg"
#: Items whose picture is that of the first item which they refer to: as it is, or with a map of gains for HDR.
_SAME_PICTURE = (b"iden", b"tmap")
#: How a picture is derived takes 8 or 12 bytes for a grid, and 4 or 8 for each picture of an overlay.
_MAX_DATA_BYTES = 4096
#: How deep a picture may be derived from others.
_MAX_DERIVATIONS = 4


@dataclass(frozen=True, slots=True)
class Tile:
    """One coded picture and where it lies.

    Attributes:
        item: Its number in the file, FFmpeg's ``id`` of the stream.
        left: Column of its left edge on the canvas.
        top: Row of its upper edge.
    """

    item: int
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class PictureMap:
    """How one picture is put together.

    Attributes:
        tiles: Its parts, row by row.
        width: Of the canvas in pixels, before it is cut and turned.
        height: Likewise.
        crop: (left, top, width, height) of what is shown of the canvas.
        orientation: How that must be turned to stand upright.
        matrix: Coefficients of the colour space as the container states them; None if it does not.
        is_full_range: Whether the container says that the colours use all values; None if it does not.
        others: Pictures of their own in the same file: no tiles, thumbnails, alpha, depth and gain maps.
        has_video: Whether the file has a moving picture, too.
    """

    tiles: tuple[Tile, ...]
    width: int
    height: int
    crop: tuple[int, int, int, int]
    orientation: Orientation
    matrix: int | None
    is_full_range: bool | None
    others: int
    has_video: bool


def read_picture_map(fd: int, name: str) -> PictureMap | None:
    """Return how the main picture is put together, or None where the file is no still of this family.

    Args:
        fd: Descriptor of the file.
        name: What errors call it.

    Raises:
        MediaUnreadableError: Its structure is damaged or of a kind that is not read.
    """
    brand = os.pread(fd, 12, 0)
    if brand[4:8] != b"ftyp" or brand[8:12] not in _STILL_BRANDS:
        return None
    try:
        meta, has_video = _meta_box(fd)
        return _Items(fd, meta).picture_map(has_video) if meta else None
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        raise MediaUnreadableError(name, "its header is damaged: the parts of its picture cannot be told") from error


class _Items:
    """The items of a file: what there is, with which properties, and which serves which."""

    def __init__(self, fd: int, meta: bytes) -> None:
        self._fd = fd
        boxes = dict(_boxes(meta[4:]))
        self._boxes = boxes
        self._primary = _number(boxes[b"pitm"], 4, 4 if boxes[b"pitm"][0] else 2)
        self._kinds, self._hidden = _item_kinds(boxes[b"iinf"])
        self._references = _references(boxes.get(b"iref", b"\0\0\0\0"))
        properties = dict(_boxes(boxes[b"iprp"]))
        self._properties = list(_boxes(properties[b"ipco"]))
        self._property_numbers = _associations(properties[b"ipma"])

    def picture_map(self, has_video: bool) -> PictureMap:
        item = self._primary
        orientations: list[tuple[bytes, int]] = []
        crop: bytes | None = None
        for _ in range(_MAX_DERIVATIONS):
            own = self._of(item)
            turns = [(kind, body[0]) for kind, body in own if kind in (b"irot", b"imir")]
            orientations = turns + orientations  # what the inner picture says comes first
            crop = crop or next((body for kind, body in own if kind == b"clap"), None)
            if self._kinds[item] not in _SAME_PICTURE:
                break
            item = self._references[_DERIVED, item][0]
        width, height, tiles = self._layout(item)
        if width * height == 0:
            raise ValueError("a picture without pixels")
        matrix, is_full_range = self._colours(item, tiles)
        return PictureMap(
            tiles=tiles,
            width=width,
            height=height,
            crop=_crop(crop, width, height),
            orientation=_orientation(orientations),
            matrix=matrix,
            is_full_range=is_full_range,
            others=self._others(),
            has_video=has_video,
        )

    def _layout(self, item: int, depth: int = 0) -> tuple[int, int, tuple[Tile, ...]]:
        """Return width and height of an item's canvas, and what is drawn on it, in that order."""
        if depth > _MAX_DERIVATIONS:
            raise ValueError("a picture that is derived from itself")
        if self._kinds[item] == b"grid":
            return self._grid(item)
        if self._kinds[item] == b"iovl":
            return self._overlay(item, depth)
        width, height = self._size(item)
        return width, height, (Tile(item, 0, 0),)

    def _overlay(self, item: int, depth: int) -> tuple[int, int, tuple[Tile, ...]]:
        data, parts = self._data(item), self._references[_DERIVED, item]
        number, size = ("i", 4) if data[1] & 1 else ("h", 2)
        width, height = struct.unpack_from(">" + 2 * number.upper(), data, 10)  # behind the colour of the canvas
        places = struct.unpack_from(f">{2 * len(parts)}{number}", data, 10 + 2 * size)
        tiles = [
            Tile(tile.item, tile.left + left, tile.top + top)
            for part, left, top in zip(parts, places[::2], places[1::2], strict=True)
            for tile in self._layout(part, depth + 1)[2]
        ]
        return width, height, tuple(tiles)

    def _grid(self, item: int) -> tuple[int, int, tuple[Tile, ...]]:
        data = self._data(item)
        rows, columns = data[2] + 1, data[3] + 1
        width, height = struct.unpack_from(">II" if data[1] & 1 else ">HH", data, 4)
        parts = self._references[_DERIVED, item]
        if len(parts) != rows * columns:
            raise ValueError("a grid with other than its number of tiles")
        tile_width, tile_height = self._size(parts[0])
        places = ((row * tile_height, column * tile_width) for row in range(rows) for column in range(columns))
        return width, height, tuple(Tile(part, left, top) for part, (top, left) in zip(parts, places, strict=True))

    def _others(self) -> int:
        """Return how many pictures stand beside the main one and are not part of it or made for it."""
        serving = {item for (kind, item) in self._references if kind in (_AUXILIARY, _THUMBNAIL)}
        serving |= {part for (kind, _), parts in self._references.items() if kind == _DERIVED for part in parts}
        pictures = {item for item in self._kinds if any(kind == b"ispe" for kind, _ in self._of(item))}
        same = {item for item in pictures if self._kinds[item] in _SAME_PICTURE}
        return len(pictures - serving - self._hidden - same - {self._primary})

    def _colours(self, item: int, tiles: tuple[Tile, ...]) -> tuple[int | None, bool | None]:
        for owner in (item, tiles[0].item):
            for kind, body in self._of(owner):
                if kind == b"colr" and body[:4] == b"nclx":
                    return _number(body, 8, 2), bool(body[10] & 0x80)
        return None, None

    def _of(self, item: int) -> list[tuple[bytes, bytes]]:
        """Return the properties of an item, in the order in which they apply."""
        return [self._properties[number - 1] for number in self._property_numbers.get(item, ()) if number]

    def _size(self, item: int) -> tuple[int, int]:
        body = next(body for kind, body in [*self._of(item), (b"ispe", b"")] if kind == b"ispe")
        width, height = struct.unpack_from(">II", body, 4)
        return width, height

    def _data(self, item: int) -> bytes:
        """Return the content of a small item."""
        in_meta, extents = _extents(self._boxes[b"iloc"], item)
        parts = []
        for offset, length in extents:
            source = self._boxes[b"idat"] if in_meta else None
            length = min(length or _MAX_DATA_BYTES, _MAX_DATA_BYTES)
            parts.append(os.pread(self._fd, length, offset) if source is None else source[offset : offset + length])
        return b"".join(parts)


def _meta_box(fd: int) -> tuple[bytes, bool]:
    """Return the content of the meta box (empty without one), and whether there is a moving picture beside it."""
    meta, has_video = b"", False
    position, end = 0, os.fstat(fd).st_size
    for _ in range(_MAX_TOP_BOXES):
        head = os.pread(fd, 16, position)
        if len(head) < 8:
            break
        size, kind, body = *struct.unpack(">I4s", head[:8]), 8
        if size == 1:
            (size,), body = struct.unpack(">Q", head[8:16]), 16
        size = size or end - position
        if size < body:
            break
        if kind == b"meta" and not meta:
            if size > _MAX_META_BYTES:
                raise ValueError("a meta box of absurd size")
            meta = os.pread(fd, size - body, position + body)
        has_video |= kind in _VIDEO_BOXES
        position += size
    return meta, has_video


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size, kind, body = *struct.unpack_from(">I4s", data, position), 8
        if size == 1:
            (size,), body = struct.unpack_from(">Q", data, position + 8), 16
        size = size or len(data) - position
        if size < body:
            raise ValueError("a box that is smaller than its head")
        yield kind, data[position + body : position + size]
        position += size


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise ValueError("a box that ends early")
    return int.from_bytes(data[at : at + size], "big")


def _item_kinds(iinf: bytes) -> tuple[dict[int, bytes], set[int]]:
    """Return the type of each item, and which are not to be shown."""
    kinds: dict[int, bytes] = {}
    hidden: set[int] = set()
    for kind, body in _boxes(iinf[8 if iinf[0] else 6 :]):
        if kind == b"infe" and body[0] >= 2:
            size = 2 if body[0] == 2 else 4
            item = _number(body, 4, size)
            kinds[item] = body[6 + size : 10 + size]
            if body[3] & 1:
                hidden.add(item)
    return kinds, hidden


def _references(iref: bytes) -> dict[tuple[bytes, int], list[int]]:
    """Return what each item refers to, by the kind of the reference."""
    size = 4 if iref[0] else 2
    found: dict[tuple[bytes, int], list[int]] = {}
    for kind, body in _boxes(iref[4:]):
        targets = found.setdefault((kind, _number(body, 0, size)), [])
        count = _number(body, size, 2)
        targets += [_number(body, size + 2 + index * size, size) for index in range(count)]
    return found


def _associations(ipma: bytes) -> dict[int, list[int]]:
    """Return the numbers of each item's properties, counted from 1."""
    id_size, is_long = (2 if ipma[0] == 0 else 4), bool(ipma[3] & 1)
    found: dict[int, list[int]] = {}
    at = 8
    for _ in range(_number(ipma, 4, 4)):
        item, count = _number(ipma, at, id_size), _number(ipma, at + id_size, 1)
        at += id_size + 1
        size = 2 if is_long else 1
        mask = 0x7FFF if is_long else 0x7F
        found[item] = [_number(ipma, at + index * size, size) & mask for index in range(count)]
        at += count * size
    return found


def _extents(iloc: bytes, wanted: int) -> tuple[bool, list[tuple[int, int]]]:
    """Return whether the item lies within the meta box, and its parts as (offset, length)."""
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, iloc[5] & 15 if version else 0
    id_size = 4 if version == 2 else 2
    at = 6 + id_size
    for _ in range(_number(iloc, 6, id_size)):
        item = _number(iloc, at, id_size)
        at += id_size
        method = _number(iloc, at, 2) & 15 if version else 0
        at += 2 if version else 0
        base = _number(iloc, at + 2, base_size)
        at += 2 + base_size
        count = _number(iloc, at, 2)
        at += 2
        if count > 1 and index_size + offset_size + length_size == 0:
            raise ValueError("parts of an item without an extent")
        extents = []
        for _ in range(count):
            at += index_size
            offset, length = _number(iloc, at, offset_size), _number(iloc, at + offset_size, length_size)
            extents.append((base + offset, length))
            at += offset_size + length_size
        if item == wanted:
            if method > 1:
                raise ValueError("an item that lies in another item")
            return method == 1, extents
    raise KeyError(wanted)


def _crop(clap: bytes | None, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the clean aperture as (left, top, width, height), within the canvas and on even pixels."""
    if clap is None:
        return 0, 0, width, height
    values = struct.unpack_from(">IIIIiIiI", clap)
    if 0 in values[1::2]:
        raise ValueError("an aperture over zero")
    shown = [min(full, values[at] // values[at + 1]) for full, at in ((width, 0), (height, 2))]
    centres = [(full - 1) / 2 + values[at] / values[at + 1] for full, at in ((width, 4), (height, 6))]
    starts = [max(0, round(centre - (part - 1) / 2)) & ~1 for centre, part in zip(centres, shown, strict=True)]
    if min(shown) < 1 or starts[0] + shown[0] > width or starts[1] + shown[1] > height:
        raise ValueError("an aperture outside the picture")
    return starts[0], starts[1], shown[0], shown[1]


def _orientation(turns: list[tuple[bytes, int]]) -> Orientation:
    """Return what quarter turns (anticlockwise) and mirrors come to, done one after the other."""
    probe: NDArray[np.uint8] = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    shown = probe
    for kind, value in turns:
        shown = np.rot90(shown, value & 3) if kind == b"irot" else np.flip(shown, value & 1)
    return next(one for one in EXIF_ORIENTATIONS.values() if np.array_equal(turn(probe, one), shown))
