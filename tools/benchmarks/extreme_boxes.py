# SPDX-License-Identifier: Apache-2.0
"""Files of boxes with extreme tables: MP4 of sound (AAC, ALAC) and picture, HEIC and AVIF photographs."""

from __future__ import annotations

import os
import struct
import sys
from functools import cache
from pathlib import Path

import numpy as np
from benchmarks.extreme_files import Made, Rng, image, number, one_of, packets_of
from benchmarks.extreme_sounds import MOST_BYTES

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from made_heif import Item, box, coded, full_box, grid_of, heif, overlay_of, size_box

#: What a clock may count in a second.
MOST_CLOCK = 2**32 - 1


def aac(rng: Rng) -> Made:
    """Return an MP4 of AAC."""
    return sound(rng, "aac")


def alac(rng: Rng) -> Made:
    """Return an MP4 of ALAC, whose cookie states any rate, number of channels and length of its frames."""
    return sound(rng, "alac")


def sound(rng: Rng, codec: str) -> Made:
    packets, extra = packets_of(codec)
    rate = number(rng, 1, MOST_CLOCK) if rng.random() < 0.5 else 48_000
    if codec == "alac":
        if rng.random() < 0.5:
            frame, channels = number(rng, 1, 2**32 - 1), number(rng, 1, 255)
            extra = struct.pack(">I", frame) + extra[4:9] + bytes([channels]) + extra[10:20] + struct.pack(">I", rate)
        entry = full_box(b"alac", extra[-24:])
    else:
        config = b"\x05" + bytes([len(extra)]) + extra
        body = b"\x04" + bytes([13 + len(config)]) + b"\x40\x15" + bytes(11) + config
        entry = full_box(b"esds", b"\x03" + bytes([3 + len(body)]) + bytes(3) + body)
    head = bytes(6) + struct.pack(">HIIHHHHI", 1, 0, 0, 1, 16, 0, 0, min(rate, 65535) << 16)
    return movie(rng, f"{codec}, {rate} Hz", box({"aac": b"mp4a"}.get(codec, codec.encode()), head, entry), packets)


def film(rng: Rng) -> Made:
    """Return an MP4 of pictures (JPEG), whose track and entry state any size."""
    width, height = number(rng, 1, 65535), number(rng, 1, 65535)
    head = bytes(6) + struct.pack(">H16xHHIIIH32xHh", 1, width, height, 72 << 16, 72 << 16, 0, 1, 24, -1)
    return movie(rng, f"jpeg, {width}x{height} stated", box(b"jpeg", head), (image(".jpg"),), is_sound=False)


def movie(rng: Rng, told: str, entry: bytes, packets: tuple[bytes, ...], is_sound: bool = True) -> Made:
    """Return an MP4 of these packets, with something extreme in its tables."""
    clock = number(rng, 1, MOST_CLOCK)
    count = min(number(rng, 1, 2000), MOST_BYTES // max(map(len, packets)))
    sizes = [len(packets[index % len(packets)]) for index in range(count)]
    if rng.random() < 0.3:  # samples of no bytes
        sizes = [size if index % 50 == 0 else 0 for index, size in enumerate(sizes)]
    delta = number(rng, 0, 2**32 - 1) if rng.random() < 0.6 else max(1, clock // 47)
    tracks = number(rng, 1, 3000) if rng.random() < 0.2 else 1
    if tracks > 1:
        count = min(count, 20)
        sizes = sizes[:count]
    edits = min(number(rng, 1, 20_000), MOST_BYTES // (12 * tracks)) if rng.random() < 0.3 else 0
    depth = number(rng, 1, 20_000) if rng.random() < 0.07 else 0
    chapters = number(rng, 1, 255) if rng.random() < 0.15 else 0
    covers = number(rng, 1, 1000) if rng.random() < 0.15 else 0
    leap = number(rng, 1, 2**32 - 1) if rng.random() < 0.3 else 0
    claimed = number(rng, 1, 2**32 - 1) if rng.random() < 0.2 else 0
    held = bool(rng.random() < 0.3)
    runs = [(1, leap)] if leap else []
    runs += [(claimed or max(1, count - len(runs)), delta)]
    times = full_box(b"stts", struct.pack(">I", len(runs)), *(struct.pack(">II", *run) for run in runs))
    table = full_box(b"stsz", struct.pack(">II", 0, count), struct.pack(f">{count}I", *sizes))
    if claimed:  # one size for all: a table of any length takes no room
        table = full_box(b"stsz", struct.pack(">II", len(packets[0]), claimed))
    moves = [(number(rng, 1, 2**32 - 1), number(rng, -1, 2**31 - 1), one_of(rng, 65536, 65536, 0, 1, 2**31 - 1))]
    if held:  # the first picture stands still for long
        moves.append((2**31, 0, 0))
    places = [moves[index % len(moves)] for index in range(edits)]
    elst = full_box(b"elst", struct.pack(">I", edits), *(struct.pack(">Iii", *place) for place in places))
    head = box(b"ftyp", b"isom", bytes(4), b"isom")

    def moov(start: int) -> bytes:
        stbl = box(
            b"stbl",
            full_box(b"stsd", struct.pack(">I", 1), entry),
            times,
            full_box(b"stsc", struct.pack(">IIII", 1, 1, claimed or count, 1)),
            table,
            full_box(b"stco", struct.pack(">II", 1, start)),
        )
        handler = b"soun" if is_sound else b"vide"
        length = min(2**32 - 1, delta * count)
        mdia = box(
            b"mdia",
            full_box(b"mdhd", struct.pack(">IIIIHH", 0, 0, clock, length, 0, 0)),
            full_box(b"hdlr", struct.pack(">I4s", 0, handler), bytes(13)),
            box(b"minf", full_box(b"smhd", bytes(4)) if is_sound else full_box(b"vmhd", bytes(8), flags=1), stbl),
        )
        matrix = struct.pack(">9I", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
        traks = [
            box(
                b"trak",
                full_box(b"tkhd", struct.pack(">IIIII", 0, 0, one, 0, length), bytes(16), matrix, bytes(8), flags=3),
                box(b"edts", elst) if edits else b"",
                mdia,
            )
            for one in range(1, tracks + 1)
        ]
        cover = box(b"covr", box(b"data", struct.pack(">II", 13, 0), image(".jpg", 16, 16)))
        listed = full_box(b"meta", full_box(b"hdlr", bytes(4), b"mdir", bytes(13)), box(b"ilst", cover * covers))
        marks = b"".join(struct.pack(">QB", index * 10**7, 1) + b"c" for index in range(chapters))
        user = full_box(b"chpl", struct.pack(">IB", 0, chapters), marks) if chapters else b""
        mvhd = full_box(b"mvhd", struct.pack(">IIIIIH", 0, 0, clock, length, 65536, 256), bytes(10), matrix, bytes(28))
        return box(b"moov", mvhd, *traks, box(b"udta", user, listed if covers else b""), nested(depth))

    start = len(head) + len(moov(0)) + 8
    data = b"".join(packets[index % len(packets)][:size] for index, size in enumerate(sizes))
    told += (
        f", clock {clock}, {count} samples of {delta}, leap {leap}, {sizes.count(0)} empty, {claimed} claimed, "
        f"{tracks} tracks, {edits} edits {moves}, depth {depth}, {chapters} chapters, {covers} covers"
    )
    return Made(".mp4", told, head + moov(start) + box(b"mdat", data))


def nested(depth: int) -> bytes:
    """Return boxes within boxes."""
    names = [b"udta", b"moov", b"trak", b"mdia"]
    return b"".join(struct.pack(">I4s", 8 * (depth - index), names[index % 4]) for index in range(depth))


@cache
def tile(kind: str) -> Item:
    os.environ.setdefault("SVT_LOG", "0")  # the encoder of AV1 is talkative
    found = coded(np.full((64, 64, 3), 90, np.uint8), kind)
    found.hidden = True
    return found


def heic(rng: Rng) -> Made:
    """Return a HEIC photograph."""
    return photograph(rng, "hvc1", ".heic")


def avif(rng: Rng) -> Made:
    """Return an AVIF photograph."""
    return photograph(rng, "av01", ".avif")


def photograph(rng: Rng, kind: str, suffix: str) -> Made:
    """Return a photograph of tiles: of any stated size, one tile used for all, thousands of items or references."""
    width, height = number(rng, 1, 65535), number(rng, 1, 65535)
    if rng.random() < 0.6:
        width, height = min(width, 9000), min(height, 9000)
    rows, columns = min(255, -(-height // 64)), min(255, -(-width // 64))
    form = one_of(rng, 0, 1, 2, 3)
    items = number(rng, 1, 2000) if rng.random() < 0.3 else 1
    piece = tile(kind)
    if form == 0:  # a picture by itself that states another size
        alone = Item(kind, piece.data, [piece.properties[0], size_box(width, height)])
        content, told = heif([alone] * items), "alone"
    elif form == 1:  # one tile is every tile
        whole = grid_of(rows, columns, min(width, 65535), min(height, 65535))
        content = heif([whole, *[piece] * items], [(b"dimg", 1, [2] * (rows * columns))])
        told = f"{rows} x {columns} times the same tile"
    elif form == 2:  # pictures over each other
        places = [(int(rng.integers(-64, 2000)), int(rng.integers(-64, 2000))) for _ in range(number(rng, 1, 5000))]
        whole = overlay_of(places, min(width, 65535), min(height, 65535))
        content = heif([whole, *[piece] * items], [(b"dimg", 1, [2] * len(places))])
        told = f"{len(places)} times over itself"
    else:  # grids of grids
        depth = number(rng, 2, 200)
        grids = [grid_of(1, 1, 64, 64) for _ in range(depth)]
        links = [(b"dimg", index, [index + 1]) for index in range(1, depth + 1)]
        if rng.random() < 0.5:
            links[-1] = (b"dimg", depth, [1])  # the last one is made of the first
        content, told = heif([*grids, piece], links), f"{depth} grids within each other"
    padding = full_box(b"free", bytes(number(rng, 1, MOST_BYTES))) if rng.random() < 0.1 else b""
    return Made(suffix, f"{width}x{height} stated, {told}, {items} items", content + padding)


BOXES = (aac, alac, film, heic, avif)
