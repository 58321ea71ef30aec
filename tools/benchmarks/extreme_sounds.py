# SPDX-License-Identifier: Apache-2.0
"""Sounds of extreme headers: WAV, FLAC, Ogg (Opus, Vorbis) and MP3, written byte by byte with checksums that hold."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache

from benchmarks.extreme_files import Made, Rng, image, noise, number, one_of, packets_of

#: No file is made larger than about this.
MOST_BYTES = 400_000


def wav(rng: Rng) -> Made:
    """Return a WAV: any rate, number of channels and bits, sizes that are not so, thousands of chunks."""
    bits = one_of(rng, 8, 16, 16, 24, 32)
    channels = number(rng, 1, 65535) if rng.random() < 0.4 else one_of(rng, 1, 2)
    rate = number(rng, 1, 2**31 - 1)
    block = channels * bits // 8
    frames = number(rng, 1, max(1, MOST_BYTES // block))
    data = noise(rng, block) * frames if rng.random() < 0.5 else bytes([128 if bits == 8 else 0]) * (block * frames)
    said = one_of(rng, len(data), len(data), len(data), 0, 0xFFFFFFFF)
    chunks = number(rng, 1, 20_000) if rng.random() < 0.2 else 0
    form = struct.pack("<HHIIHH", 1, channels & 0xFFFF, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"junk\x02\0\0\0ab" * chunks
    body += b"data" + struct.pack("<I", said) + data
    told = f"{rate} Hz, {channels} channels of {bits} bits, {frames} samples, {said} bytes said, {chunks} chunks before"
    return Made(".wav", told, b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body)


def flac(rng: Rng) -> Made:
    """Return a FLAC of constant frames (some 20 bytes for 65,535 samples), or one of thousands of tags and pictures."""
    rate = number(rng, 1, 655_350)
    channels, block = one_of(rng, 1, 1, 2, 8), one_of(rng, 16, 4096, 65535)
    seconds = number(rng, 1, 14_400) if rng.random() < 0.7 else number(rng, 1, 10**6)
    frames = min(int(-(-seconds * rate // block)), MOST_BYTES // (16 + 4 * channels))
    frames = max(1, frames)
    stated = one_of(rng, frames * block, frames * block, 0, 2**36 - 1)
    pictures = number(rng, 1, 2000) if rng.random() < 0.15 else 0
    tags = number(rng, 1, 50_000) if rng.random() < 0.15 else 0
    info = struct.pack(">HH", block, block) + bytes(6)
    info += (rate << 44 | channels - 1 << 41 | 15 << 36 | stated).to_bytes(8, "big") + bytes(16)
    cover = image(".jpg", 16, 16)
    blocks = [(0, info)]
    if tags:
        blocks.append((4, vorbis_comment(tags)))
    head = struct.pack(">II", 3, 10) + b"image/jpeg" + bytes(4) + struct.pack(">IIIII", 16, 16, 24, 0, len(cover))
    blocks += [(6, head + cover)] * pictures
    content = b"fLaC" + b"".join(
        bytes([kind | (0x80 if index == len(blocks) - 1 else 0)]) + len(data).to_bytes(3, "big") + data
        for index, (kind, data) in enumerate(blocks)
    )
    content += b"".join(flac_frame(index, block, channels) for index in range(frames))
    told = f"{rate} Hz, {channels} channels, {frames} silent frames of {block} ({frames * block / rate:.0f} s), "
    return Made(".flac", told + f"{stated} samples stated, {pictures} pictures, {tags} tags", content)


def flac_frame(index: int, block: int, channels: int) -> bytes:
    """Return a frame of 16-bit silence whose rate is that of the file."""
    head = struct.pack(">HBB", 0xFFF8, 0x70, (channels - 1) << 4 | 4 << 1) + coded_number(index)
    head += struct.pack(">H", block - 1)
    head += bytes([checksum(head, 8, 0x07)])
    frame = head + bytes(3 * channels)  # of each channel: a constant, and what it is
    return frame + checksum(frame, 16, 0x8005).to_bytes(2, "big")


def coded_number(value: int) -> bytes:
    """Return a number as UTF-8 would have it."""
    return chr(value).encode("utf-8", "surrogatepass") if value < 0x80 or value < 0x110000 else b"\0"


@cache
def crc_table(bits: int, polynomial: int) -> tuple[int, ...]:
    table, top, mask = [], 1 << bits - 1, (1 << bits) - 1
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return tuple(table)


def checksum(data: bytes, bits: int, polynomial: int, start: int = 0) -> int:
    """Return the CRC that begins with the highest bit, as FLAC, Ogg and transport streams have it."""
    table, value, mask = crc_table(bits, polynomial), start, (1 << bits) - 1
    for byte in data:
        value = value << 8 & mask ^ table[value >> bits - 8 ^ byte]
    return value


def vorbis_comment(tags: int) -> bytes:
    return struct.pack("<I", 3) + b"cad" + struct.pack("<I", tags) + (struct.pack("<I", 5) + b"A=bcd") * tags


def opus(rng: Rng) -> Made:
    """Return an Ogg of Opus: hours of packets of three bytes, leaps of the clock, many streams, many tags."""
    channels = number(rng, 1, 255) if rng.random() < 0.3 else 1
    skip, gain = number(rng, 0, 65535), number(rng, 0, 65535)
    rate = number(rng, 0, 2**32 - 1)
    tags = number(rng, 1, 60_000) if rng.random() < 0.15 else 0
    links = number(rng, 1, 1000) if rng.random() < 0.2 else 1
    tags //= links
    pages = number(rng, 1, 1000) if links == 1 else 1
    leap = number(rng, 1, 2**62) if rng.random() < 0.4 else 0
    if channels <= 2:
        head = b"OpusHead" + struct.pack("<BBHIHB", 1, channels, skip, rate, gain, 0)
    else:
        head = b"OpusHead" + struct.pack("<BBHIHB", 1, channels, skip, rate, gain, 255)
        head += bytes([channels, 0]) + bytes(range(channels))
    # Two frames of 60 ms that hold nothing, for each channel; all but the last one say how long they are.
    packet = bytes([0x1B, 2, 0]) * (channels - 1 if channels > 2 else 0) + bytes([0x1B, 2])
    packets = [packet] * (255 // (len(packet) // 255 + 1))
    pages = min(pages, max(1, MOST_BYTES // (len(packet) * len(packets))))
    content, clock = [], 0
    for link in range(links):
        content.append(ogg_page([head], 0, link, 0, first=True))
        content += ogg_pages(b"OpusTags" + vorbis_comment(tags), link, 1)
        for index in range(pages):
            clock += 5760 * len(packets) + (leap if index == pages // 2 else 0)
            content.append(ogg_page(packets, clock, link, 600 + index, last=index == pages - 1))
    told = f"{channels} channels, {pages} pages of up to 30 s in {links} links, a leap of {leap / 48000:.0f} s, "
    return Made(".opus", told + f"skip {skip}, rate {rate}, {tags} tags", b"".join(content))


def vorbis(rng: Rng) -> Made:
    """Return an Ogg of Vorbis: any rate in its header, leaps of the clock, hundreds of streams side by side."""
    packets, extra = packets_of("vorbis")
    first, second, third = unlaced(extra)
    rate = number(rng, 1, 2**31 - 1)
    streams = number(rng, 1, 500) if rng.random() < 0.25 else 1
    leap = number(rng, 1, 2**62) if rng.random() < 0.6 else 0
    tags = number(rng, 1, 60_000) // streams if rng.random() < 0.15 else 0
    first = first[:12] + struct.pack("<I", rate) + first[16:]
    second = b"\x03vorbis" + vorbis_comment(tags) + b"\x01" if tags else second
    content = [ogg_page([first], 0, serial, 0, first=True) for serial in range(streams)]
    for serial in range(streams):
        content += ogg_pages(second, serial, 1) + ogg_pages(third, serial, 400)
    for serial in range(streams):
        clock = 0
        for index, packet in enumerate(packets[: 20 if streams > 1 else len(packets)]):
            clock += 1024 + (leap if index == 5 else 0)
            content.append(ogg_page([packet], clock, serial, 800 + index))
    told = f"{rate} Hz, {streams} streams, a leap of {leap} samples, {tags} tags"
    return Made(".ogg", told, b"".join(content))


def unlaced(extra: bytes) -> list[bytes]:
    """Return the three headers of Vorbis from the form that Matroska keeps them in."""
    sizes, at = [], 1
    for _ in range(extra[0]):
        size = 0
        while extra[at] == 255:
            size, at = size + 255, at + 1
        sizes.append(size + extra[at])
        at += 1
    return [extra[at : at + sizes[0]], extra[at + sizes[0] : at + sum(sizes)], extra[at + sum(sizes) :]]


def ogg_pages(packet: bytes, serial: int, number: int) -> list[bytes]:
    """Return the pages of a packet that is larger than one."""
    pieces = [packet[at : at + 255 * 255] for at in range(0, len(packet) + 1, 255 * 255)]
    return [
        ogg_page([piece], 0, serial, number + index, goes_on=index > 0, is_whole=index == len(pieces) - 1)
        for index, piece in enumerate(pieces)
    ]


def ogg_page(
    packets: Iterable[bytes],
    clock: int,
    serial: int,
    number: int,
    first: bool = False,
    last: bool = False,
    goes_on: bool = False,
    is_whole: bool = True,
) -> bytes:
    packets = list(packets)
    lacing = b"".join(b"\xff" * (len(one) // 255) + (bytes([len(one) % 255]) if is_whole else b"") for one in packets)
    flags = goes_on | first << 1 | last << 2
    head = b"OggS" + struct.pack("<BBqIII", 0, flags, clock % 2**63, serial, number, 0) + bytes([len(lacing)]) + lacing
    body = b"".join(packets)
    crc = checksum(head + body, 32, 0x04C11DB7)
    return head[:22] + struct.pack("<I", crc) + head[26:] + body


#: A frame of silence: MPEG 2.5 layer III, 8 kbit/s, 8 kHz, mono: 576 samples in 72 bytes.
SILENT_MP3 = b"\xff\xe3\x18\xc4" + bytes(68)


def mp3(rng: Rng) -> Made:
    """Return an MP3: any count in its Xing header, rates that change, thousands of pictures, chapters and tags."""
    frames = number(rng, 1, 5000)
    said = number(rng, 1, 2**32 - 1) if rng.random() < 0.5 else frames
    pictures = number(rng, 1, 1000) if rng.random() < 0.3 else 0
    chapters = number(rng, 1, 5000) if rng.random() < 0.3 else 0
    tags = number(rng, 1, 20_000) if rng.random() < 0.2 else 0
    padding = number(rng, 1, 200_000) if rng.random() < 0.2 else 0
    changes = bool(rng.random() < 0.3)
    cover = image(".jpg", 16, 16)
    body = (b"TXXX" + struct.pack(">IH", 6, 0) + b"\0a\0bcd") * tags
    body += b"".join(
        b"APIC" + struct.pack(">IH", 14 + len(cover), 0) + b"\0image/jpeg\0" + bytes([index % 21, 0]) + cover
        for index in range(pictures)
    )
    body += b"".join(
        b"CHAP" + struct.pack(">IH", 25, 0) + b"c%07d\0" % index + struct.pack(">IIII", index, 2**32 - 2, 2**32 - 1, 0)
        for index in range(chapters)
    )
    body += bytes(padding)
    tag = b"ID3\x03\0\0" + bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0)) + body if body else b""
    xing = bytearray(SILENT_MP3)
    xing[13:25] = b"Xing" + struct.pack(">II", 1, said)
    stream = [bytes(xing)] + [SILENT_MP3] * frames
    if changes:
        other = b"\xff\xfb\x14\xc4" + bytes(100)  # 32 kbit/s at 48 kHz: 96 bytes
        stream = [other[:96] if index % 2 else one for index, one in enumerate(stream)]
    told = f"{frames} silent frames, {said} said, {pictures} pictures, {chapters} chapters, {tags} tags, "
    return Made(".mp3", told + f"{padding} bytes of padding, rates change: {changes}", tag + b"".join(stream))


SOUNDS = (wav, flac, opus, vorbis, mp3)
