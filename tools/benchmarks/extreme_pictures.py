# SPDX-License-Identifier: Apache-2.0
"""Pictures of extreme headers: GIF, animated WebP, PNG and APNG, written chunk by chunk with checksums that hold."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np
from benchmarks.extreme_files import Made, Rng, image, number, one_of

#: Pixels of all pictures of a file that are written out.
MOST_PIXELS = 400_000_000


def gif(rng: Rng) -> Made:
    """Return a GIF: a large screen, small pictures on it, any delays, thousands of pictures, comments or loops."""
    width, height = number(rng, 1, 65535), number(rng, 1, 65535)
    if rng.random() < 0.7:
        width, height = min(width, 8000), min(height, 8000)
    frames = number(rng, 1, 3000)
    delay = number(rng, 0, 65535)
    whole = bool(rng.random() < 0.3)
    inner = (width, height) if whole else (min(width, number(rng, 1, 64)), min(height, number(rng, 1, 64)))
    frames = max(1, min(frames, MOST_PIXELS // (inner[0] * inner[1]), 400_000 // len(lzw(inner[0] * inner[1], 0))))
    comments = number(rng, 1, 50_000) if rng.random() < 0.15 else 0
    disposal = one_of(rng, 0, 1, 2, 3)
    content = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xc8\xb4\xa0"
    content += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", number(rng, 0, 65535)) + b"\0"
    content += b"!\xfe\x01a\0" * comments
    pictures = [
        b"!\xf9\x04" + struct.pack("<BHB", disposal << 2, delay, 0) + b"\0"
        + b"," + struct.pack("<HHHHB", 0, 0, *inner, 0) + lzw(inner[0] * inner[1], colour)
        for colour in (0, 1)
    ]  # fmt: skip
    content += b"".join(pictures[index % 2] for index in range(frames)) + b";"
    told = f"{width}x{height}, {frames} pictures of {inner[0]}x{inner[1]}, {delay} cs each, {comments} comments, "
    return Made(".gif", told + f"disposal {disposal}", content)


@cache
def lzw(pixels: int, colour: int) -> bytes:
    """Return the data of a GIF's picture of one colour: each code stands for one pixel more than the one before."""
    clear, stop, most = 4, 5, 4095 - 4
    codes, widths, left = [], [], pixels
    while left:
        runs = np.arange(1, most + 1)
        runs = runs[: int(np.searchsorted(np.cumsum(runs), left)) + 1]
        runs[-1] = min(runs[-1], left - int(runs[:-1].sum()))
        left -= int(runs.sum())
        # Every code but the first adds one to the 6 that are known; before the 12th bit is used up there is no more.
        known = 6 + np.maximum(0, np.arange(len(runs)) - 1)
        codes += [[clear], np.where(runs == 1, colour, 4 + runs)]
        widths += [[3 if not widths else widths[-1][-1]], np.floor(np.log2(known)).astype(int).clip(2, 11) + 1]
    codes.append([stop])
    widths.append([min(12, int(np.log2(6 + max(0, len(runs) - 1))) + 1)])
    all_codes, all_widths = np.concatenate(codes), np.concatenate(widths)
    places = np.arange(12)
    bits = (all_codes[:, None] >> places & 1)[places < all_widths[:, None]]
    data = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\x02" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def webp(rng: Rng) -> Made:
    """Return an animated WebP: a large canvas, small pictures on it, any delays, thousands of pictures or chunks."""
    width, height = number(rng, 64, 2**24), number(rng, 48, 2**24)
    if rng.random() < 0.7:
        width, height = min(width, 8000), min(height, 8000)
    frames, delay = number(rng, 1, 3000), number(rng, 0, 2**24 - 1)
    chunks = number(rng, 1, 30_000) if rng.random() < 0.15 else 0
    large = number(rng, 1, 300_000) if rng.random() < 0.15 else 0
    inner = image(".webp")[12:]
    frames = max(1, min(frames, 400_000 // len(inner)))
    head = struct.pack("<I", 0x02 | (0x20 if large else 0)) + small(width - 1) + small(height - 1)
    content = riff(b"VP8X", head) + (riff(b"ICCP", bytes(large)) if large else b"")
    content += riff(b"ANIM", bytes(4) + struct.pack("<H", number(rng, 0, 65535)))
    flags = bytes([one_of(rng, 0, 1, 2, 3)])
    content += riff(b"ANMF", small(0) + small(0) + small(63) + small(47) + small(delay) + flags + inner) * frames
    content += riff(b"junk", b"ab") * chunks
    told = f"{width}x{height}, {frames} pictures of 64x48, {delay} ms each, {chunks} chunks, a profile of {large} bytes"
    return Made(".webp", told, b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content)


def small(value: int) -> bytes:
    """Return a number of 24 bits."""
    return struct.pack("<I", value)[:3]


def riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def png(rng: Rng) -> Made:
    """Return a PNG: huge sides in a few bytes, thousands of chunks, empty data, texts that unpack to much."""
    width, height = number(rng, 1, 70_000), number(rng, 1, 70_000)
    bits, colour = [(1, 0), (8, 0), (8, 2), (16, 6)][int(rng.integers(4))]
    interlaced = bool(rng.random() < 0.2)
    samples = {0: 1, 2: 3, 6: 4}[colour]
    row = 1 + -(-width * bits * samples // 8)
    data = deflated_zeros(row, height) if row * height <= MOST_PIXELS and not interlaced else zlib.compress(bytes(row))
    texts = number(rng, 1, 20_000) if rng.random() < 0.2 else 0
    bombs = number(rng, 1, 50) if rng.random() < 0.2 else 0
    empty = number(rng, 1, 30_000) if rng.random() < 0.2 else 0
    content = png_head(width, height, bits, colour, interlaced) + chunk(b"tEXt", b"a\0b") * texts
    content += chunk(b"zTXt", b"a\0\0" + deflated_zeros(1 << 20, 8)) * bombs + chunk(b"IDAT", b"") * empty
    content += chunk(b"IDAT", data) + chunk(b"IEND", b"")
    told = (
        f"{width}x{height} of {bits} bits by {samples}, interlaced: {interlaced}, {len(data)} bytes of data, {texts} "
    )
    return Made(".png", told + f"texts, {bombs} that unpack to 8 MiB, {empty} empty chunks", content)


def apng(rng: Rng) -> Made:
    """Return an animated PNG: a large canvas, small pictures on it, any delays, thousands of pictures."""
    width, height = number(rng, 8, 20_000), number(rng, 8, 20_000)
    frames, delay, divisor = number(rng, 1, 3000), number(rng, 0, 65535), number(rng, 0, 65535)
    said = one_of(rng, frames, frames, 1, 2**31 - 1)
    first = chunk(b"IDAT", deflated_zeros(1 + width, height))
    frames = max(1, min(frames, (400_000 - len(first)) // 80))
    inner, dispose = zlib.compress(bytes(9 * 8)), one_of(rng, 0, 1, 2)
    content = [png_head(width, height, 8, 0), chunk(b"acTL", struct.pack(">II", said, 0))]
    content += [chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, delay, divisor, dispose, 0)), first]
    for index in range(1, frames):
        place = struct.pack(">IIIIIHHBB", 2 * index - 1, 8, 8, 0, 0, delay, divisor, dispose, 0)
        content += [chunk(b"fcTL", place), chunk(b"fdAT", struct.pack(">I", 2 * index) + inner)]
    told = f"{width}x{height}, {frames} pictures of 8x8 ({said} said), {delay}/{divisor} s each, disposal {dispose}"
    return Made(".png", told, b"".join([*content, chunk(b"IEND", b"")]))


def png_head(width: int, height: int, bits: int, colour: int, interlaced: bool = False) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deflated_zeros(row: int, rows: int) -> bytes:
    """Return so many bytes of 0, compressed, without ever holding them all."""
    packer, zeros = zlib.compressobj(1), bytes(row)
    return b"".join([*(packer.compress(zeros) for _ in range(rows)), packer.flush()])


PICTURES = (gif, webp, png, apng)
