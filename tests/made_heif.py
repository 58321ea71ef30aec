# SPDX-License-Identifier: Apache-2.0
"""Photographs in the HEIF family that the tests put together: HEVC or AV1 tiles in a hand-written meta box."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

#: By kind of item: its encoder, the encoder's options, the box of its parameters, the file's brand.
CODINGS = {
    "hvc1": ("libx265", {"preset": "ultrafast", "crf": "4", "x265-params": "log-level=none"}, b"hvcC", b"heic"),
    "av01": ("libsvtav1", {"preset": "12", "crf": "8"}, b"av1C", b"avif"),
}


@dataclass
class Item:
    """One item of the file.

    Attributes:
        kind: ``hvc1``, ``av01``, ``grid`` or ``iovl``.
        data: Its bytes.
        properties: Whole property boxes, in their order.
        hidden: Whether it is not to be shown by itself.
    """

    kind: str
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    hidden: bool = False


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def size_box(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def coded(pixels: np.ndarray, kind: str = "hvc1") -> Item:
    """Return an item with one picture, uint8 (height, width, 3), as a muxer's MP4 of one frame has it."""
    encoder, options, parameters, _ = CODINGS[kind]
    height, width, _ = pixels.shape
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            packet.pts = packet.dts = 0
            container.mux(packet)
    written = file.getvalue()
    at = written.index(parameters) - 4
    configuration = written[at : at + int.from_bytes(written[at : at + 4], "big")]
    with av.open(io.BytesIO(written)) as container:
        data = next(bytes(packet) for packet in container.demux(video=0) if packet.size)
    return Item(kind, data, [configuration, size_box(width, height)])


def grid_of(rows: int, columns: int, width: int, height: int, *properties: bytes) -> Item:
    """Return the item that says how tiles lie; its properties apply to the whole picture."""
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    return Item("grid", data, [size_box(width, height), *properties])


def overlay_of(places: Sequence[tuple[int, int]], width: int, height: int) -> Item:
    """Return the item that says where pictures are drawn over each other."""
    offsets = [one for place in places for one in place]
    data = struct.pack(f">BB4HHH{len(offsets)}h", 0, 0, 0, 0, 0, 0, width, height, *offsets)
    return Item("iovl", data, [size_box(width, height)])


def tiles_of(pixels: np.ndarray, side: int, kind: str = "hvc1") -> list[Item]:
    """Return hidden items of ``side`` pixels that cover a picture, row by row, padded with its edge."""
    height, width, _ = pixels.shape
    padded = np.pad(pixels, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    tiles = [
        coded(np.ascontiguousarray(padded[top : top + side, left : left + side]), kind)
        for top in range(0, padded.shape[0], side)
        for left in range(0, padded.shape[1], side)
    ]
    for tile in tiles:
        tile.hidden = True
    return tiles


def heif(
    items: list[Item], references: Sequence[tuple[bytes, int, list[int]]] = (), primary: int = 1, tail: bytes = b""
) -> bytes:
    """Return a file of items, numbered from 1, each referring to others as (kind, from, to)."""
    brand = next((CODINGS[item.kind][3] for item in items if item.kind in CODINGS), b"heic")
    properties = list(dict.fromkeys(one for item in items for one in item.properties))
    associations = b"".join(
        struct.pack(">HB", number, len(item.properties))
        + b"".join(struct.pack(">B", 0x80 | 1 + properties.index(one)) for one in item.properties)
        for number, item in enumerate(items, 1)
    )
    infos = [
        full_box(b"infe", struct.pack(">HH4sB", number, 0, item.kind.encode(), 0), version=2, flags=int(item.hidden))
        for number, item in enumerate(items, 1)
    ]
    head = box(b"ftyp", brand, struct.pack(">I", 0), b"mif1", brand)

    def meta(start: int) -> bytes:
        places, at, inside = [], start, 0
        for number, item in enumerate(items, 1):
            in_meta = item.kind in ("grid", "iovl")
            places.append(struct.pack(">HHHHII", number, int(in_meta), 0, 1, inside if in_meta else at, len(item.data)))
            at += 0 if in_meta else len(item.data)
            inside += len(item.data) if in_meta else 0
        parts = [
            full_box(b"hdlr", struct.pack(">I4s", 0, b"pict"), bytes(13)),
            full_box(b"pitm", struct.pack(">H", primary)),
            full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)), *places, version=1),
            full_box(b"iinf", struct.pack(">H", len(items)), *infos),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full_box(b"ipma", struct.pack(">I", len(items)), associations),
            ),
            box(b"idat", *(item.data for item in items if item.kind in ("grid", "iovl"))),
        ]
        if references:
            lists = [box(kind, struct.pack(f">HH{len(to)}H", one, len(to), *to)) for kind, one, to in references]
            parts.append(full_box(b"iref", *lists))
        return full_box(b"meta", *parts)

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *(item.data for item in items if item.kind not in ("grid", "iovl"))) + tail


def photograph(pixels: np.ndarray, side: int, kind: str = "hvc1", *properties: bytes) -> bytes:
    """Return a photograph in tiles, with a thumbnail, as telephones write it."""
    height, width, _ = pixels.shape
    tiles = tiles_of(pixels, side, kind)
    columns = -(-width // side)
    whole = grid_of(len(tiles) // columns, columns, width, height, *properties)
    thumbnail = coded(np.ascontiguousarray(pixels[:64, :64]), kind)
    items = [whole, *tiles, thumbnail]
    last = len(items)
    return heif(items, [(b"dimg", 1, list(range(2, last))), (b"thmb", last, [1])])
