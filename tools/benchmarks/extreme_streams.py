# SPDX-License-Identifier: Apache-2.0
"""Matroska, transport streams and AVI of extreme headers: leaps, and thousands of tracks, programs and attachments."""

from __future__ import annotations

import struct

from benchmarks.extreme_files import Made, Rng, image, number, one_of, packets_of, pictures_of
from benchmarks.extreme_sounds import MOST_BYTES, checksum

EBML, SEGMENT, INFO, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
CLUSTER, CLUSTER_TIME, BLOCK, GROUP, GROUP_BLOCK, GROUP_LENGTH = 0x1F43B675, 0xE7, 0xA3, 0xA0, 0xA1, 0x9B
TAGS, TAG, SIMPLE_TAG, TAG_NAME, TAG_TEXT = 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
CHAPTERS, EDITION, ATOM, ATOM_ID, ATOM_START = 0x1043A770, 0x45B9, 0xB6, 0x73C4, 0x91
ATTACHMENTS, ATTACHED, FILE_NAME, FILE_TYPE, FILE_DATA, FILE_ID = 0x1941A469, 0x61A7, 0x466E, 0x4660, 0x465C, 0x46AE
CUES, CUE, CUE_TIME, CUE_PLACES, CUE_TRACK, CUE_CLUSTER = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1


def element(name: int, *parts: bytes | int) -> bytes:
    """Return an element of Matroska; numbers are written as such."""
    body = b"".join(part if isinstance(part, bytes) else whole(part) for part in parts)
    return name.to_bytes(-(-name.bit_length() // 8), "big") + (1 << 56 | len(body)).to_bytes(8, "big") + body


def whole(value: int) -> bytes:
    return value.to_bytes(max(1, -(-value.bit_length() // 8)), "big")


def mkv(rng: Rng) -> Made:
    """Return a Matroska of raw sound, Opus or JPEG pictures: any clock, leaps, thousands of whatever it may hold."""
    form = one_of(rng, 0, 1, 2, 3)
    rate, channels = number(rng, 1, 2**31 - 1), number(rng, 1, 64)
    width, height = number(rng, 1, 2**24), number(rng, 1, 2**24)
    scale = number(rng, 1, 10**12) if rng.random() < 0.4 else 10**6
    tracks = number(rng, 1, 3000) if rng.random() < 0.15 else 1
    if form == 0:
        codec, packets = b"A_PCM/INT/LIT", [bytes(2 * channels * 100)]
        details = element(0xE1, element(0xB5, struct.pack(">d", rate)), element(0x9F, channels), element(0x6264, 16))
    elif form == 1:
        found, extra = packets_of("libopus")
        codec, packets = b"A_OPUS", list(found)
        details = element(0xE1, element(0xB5, struct.pack(">d", rate)), element(0x9F, 1)) + element(0x63A2, extra)
    elif form == 2:
        codec, packets = b"V_MJPEG", [image(".jpg")]
        details = element(0xE0, element(0xB0, width), element(0xBA, height))
    else:  # pictures of different sizes
        codec, packets = b"V_MJPEG", [image(".jpg", 64, 48), image(".jpg", 8000, 8), image(".jpg", 8, 4000)]
        details = element(0xE0, element(0xB0, width), element(0xBA, height))
    details += element(0x23E383, number(rng, 1, 2**63)) if rng.random() < 0.3 else b""  # how long each one lasts
    kind = 1 if form >= 2 else 2
    listed = b"".join(
        element(TRACK, element(0xD7, one), element(0x73C5, one), element(0x83, kind), element(0x86, codec), details)
        for one in range(1, tracks + 1)
    )
    extras = {
        "tags": number(rng, 1, 20_000) if rng.random() < 0.15 else 0,
        "chapters": number(rng, 1, 20_000) if rng.random() < 0.15 else 0,
        "chapters within each other": number(rng, 1, 500) if rng.random() < 0.1 else 0,
        "fonts attached": number(rng, 1, 5000) if rng.random() < 0.15 else 0,
        "covers attached": number(rng, 1, 1000) if rng.random() < 0.15 else 0,
        "cues": number(rng, 1, 20_000) if rng.random() < 0.15 else 0,
    }
    clusters = number(rng, 1, 2000)
    size = max(map(len, packets))
    clusters = max(1, min(clusters, MOST_BYTES // (size + 60)))
    step = number(rng, 0, 2**40) if rng.random() < 0.4 else 40
    leap = number(rng, 1, 2**50) if rng.random() < 0.4 else 0
    empty = bool(rng.random() < 0.2)
    lasting = number(rng, 1, 2**40) if rng.random() < 0.2 else 0
    content, clock = [], 0
    for index in range(clusters):
        packet = b"" if empty and index % 10 else packets[index % len(packets)]
        block = bytes([0x81]) + bytes(2) + b"\x80" + packet
        if tracks > 1 and tracks < 0x3FFF:
            block = (0x4000 | index % tracks + 1).to_bytes(2, "big") + bytes(2) + b"\x80" + packet
        one = element(BLOCK, block)
        if lasting:
            one = element(GROUP, element(GROUP_BLOCK, block), element(GROUP_LENGTH, lasting))
        content.append(element(CLUSTER, element(CLUSTER_TIME, clock), one))
        clock += step + (leap if index == clusters // 2 else 0)
    said = struct.pack(">d", float(rng.choice([0.0, clock, clock, 1.0, 1e300, 14_400_000.0])))
    names = element(0x4D80, b"cad") + element(0x5741, b"cad")
    info = element(INFO, element(0x2AD7B1, scale), element(0x4489, said), names)
    top = element(EBML, element(0x4282, b"matroska"), element(0x4287, 4), element(0x4285, 2))
    told = (
        f"{codec.decode()}, {rate} Hz, {channels} channels, {width}x{height}, {scale} ns a tick, {tracks} tracks, "
        f"{clusters} clusters of {step} ticks, leap {leap}, empty: {empty}, lasting {lasting}, "
    )
    told += ", ".join(f"{count} {name}" for name, count in extras.items() if count)
    return Made(".mkv", told, top + element(SEGMENT, info, element(TRACKS, listed), *belongings(extras), *content))


def belongings(extras: dict[str, int]) -> list[bytes]:
    """Return what a Matroska file holds beside its tracks."""
    tag = element(TAG, element(SIMPLE_TAG, element(TAG_NAME, b"a"), element(TAG_TEXT, b"b")))
    found = [element(TAGS, tag * extras["tags"])] if extras["tags"] else []
    atoms = b"".join(
        element(ATOM, element(ATOM_ID, index + 1), element(ATOM_START, index)) for index in range(extras["chapters"])
    )
    inner = b""
    for index in range(extras["chapters within each other"]):
        inner = element(ATOM, element(ATOM_ID, index + 1), element(ATOM_START, index), inner)
    if atoms or inner:
        found.append(element(CHAPTERS, element(EDITION, atoms, inner)))
    attached = [(b"font/ttf", b"a.ttf", b"no font")] * extras["fonts attached"]
    attached += [(b"image/jpeg", b"cover.jpg", image(".jpg", 16, 16))] * extras["covers attached"]
    if attached:
        files = [
            element(
                ATTACHED, element(FILE_NAME, name), element(FILE_TYPE, kind), element(FILE_DATA, data),
                element(FILE_ID, index + 1),
            )
            for index, (kind, name, data) in enumerate(attached)
        ]  # fmt: skip
        found.append(element(ATTACHMENTS, *files))
    if extras["cues"]:
        place = element(CUE_PLACES, element(CUE_TRACK, 1), element(CUE_CLUSTER, 2**40))
        found.append(element(CUES, *(element(CUE, element(CUE_TIME, index), place) for index in range(extras["cues"]))))
    return found


def ts(rng: Rng) -> Made:
    """Return a transport stream of MP2 sound and MPEG-2 pictures: leaps of the clock, thousands of programs."""
    pictures, _ = pictures_of("mpeg2video")
    sounds, _ = packets_of("mp2")
    programs = number(rng, 1, 2000) if rng.random() < 0.3 else 1
    filled = min(programs, number(rng, 1, 100))
    step = number(rng, 0, 2**33 - 1) if rng.random() < 0.4 else 3600
    leaps = number(rng, 1, 500) if rng.random() < 0.5 else 0
    leap = number(rng, 1, 2**33 - 1)
    count = number(rng, 1, max(1, 800 // filled))
    every = max(1, count // leaps) if leaps else count + 1
    numbers: dict[int, int] = {}

    def put(pid: int, data: bytes, starts: bool = True) -> bytes:
        """Return the packets of a section or of a packet of a stream."""
        pieces = []
        for at in range(0, len(data), 184):
            piece = data[at : at + 184]
            numbers[pid] = numbers.get(pid, -1) + 1 & 15
            head = struct.pack(">BHB", 0x47, (0x4000 if starts and at == 0 else 0) | pid, 0)[:3]
            fill = 184 - len(piece)
            padding = b"" if not fill else bytes([fill - 1]) + (b"\0" + b"\xff" * (fill - 2) if fill > 1 else b"")
            pieces.append(head + bytes([(0x30 if fill else 0x10) | numbers[pid]]) + padding + piece)
        return b"".join(pieces)

    content = []
    for first in range(0, programs, 200):
        some = range(first, min(programs, first + 200))
        listed = b"".join(struct.pack(">HH", one + 1, 0xE000 | pid_of(one)) for one in some)
        content.append(put(0, section(0, 1, listed, first // 200, (programs - 1) // 200)))
    for one in range(programs):
        pid = pid_of(one)
        streams = struct.pack(">BHH", 2, 0xE000 | pid + 1, 0xF000) + struct.pack(">BHH", 3, 0xE000 | pid + 2, 0xF000)
        content.append(put(pid, section(2, one + 1, struct.pack(">HH", 0xE000 | pid + 1, 0xF000) + streams)))
    clock = 0
    for index in range(count):
        clock += step + (leap if index % every == every - 1 else 0)
        for one in range(filled):
            pid = pid_of(one)
            content.append(put(pid + 1, pes(0xE0, clock, pictures[index % len(pictures)])))
            content.append(put(pid + 2, pes(0xC0, clock, sounds[index % len(sounds)])))
    told = f"{programs} programs, {filled} of them with streams, {count} pictures {step} ticks apart, "
    return Made(".ts", told + f"every {every} a leap of {leap}", b"".join(content))


def pid_of(program: int) -> int:
    """Return the number of the packets of a program's table; its picture and its sound have the next two."""
    return 0x20 + 3 * min(program, 2500)


def section(table: int, number_of: int, data: bytes, part: int = 0, last: int = 0) -> bytes:
    """Return a section of a table of programs, with the byte that points to it."""
    body = struct.pack(">HBBB", number_of, 0xC1, part, last) + data
    whole_section = struct.pack(">BH", table, 0xB000 | len(body) + 4) + body
    return b"\0" + whole_section + struct.pack(">I", checksum(whole_section, 32, 0x04C11DB7, 0xFFFFFFFF))


def pes(kind: int, clock: int, data: bytes) -> bytes:
    clock %= 2**33
    stamp = struct.pack(">BHH", 0x21 | clock >> 29 & 14, clock >> 14 & 0xFFFE | 1, clock << 1 & 0xFFFE | 1)
    return struct.pack(">IHBBB", 0x100 | kind, 0, 0x80, 0x80, 5) + stamp + data


def avi(rng: Rng) -> Made:
    """Return an AVI of JPEG pictures and raw sound: any scale and rate, counts that are not so, held pictures."""
    scale, rate = number(rng, 1, 2**32 - 1), number(rng, 1, 2**32 - 1)
    if rng.random() < 0.5:
        scale, rate = 1, number(rng, 1, 1000)
    hertz, channels = number(rng, 1, 2**31 - 1), number(rng, 1, 64)
    width, height = number(rng, 1, 2**31 - 1), number(rng, 1, 2**31 - 1)
    if rng.random() < 0.6:
        width, height = 64, 48
    streams = number(rng, 1, 100) if rng.random() < 0.2 else 1
    count = number(rng, 1, 20_000)
    held = bool(rng.random() < 0.5)
    said = one_of(rng, count, 0, 2**32 - 1)
    picture = image(".jpg")
    count = min(count, MOST_BYTES // 24 if held else MOST_BYTES // len(picture))
    start = number(rng, 1, 2**32 - 1) if rng.random() < 0.3 else 0
    index_rows = number(rng, 1, 20_000) if rng.random() < 0.3 else 0

    def stream(kind: bytes, codec: bytes, ticks: tuple[int, int], form: bytes, size: int) -> bytes:
        head = struct.pack("<4s4sIHHIIIIIIII4H", kind, codec, 0, 0, 0, 0, *ticks, start, said, 0, 0, size, 0, 0, 0, 0)
        return lists(b"strl", piece(b"strh", head), piece(b"strf", form))

    shown = struct.pack("<IiiHH4sIiiII", 40, width & 0x7FFFFFFF, height & 0x7FFFFFFF, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    block = 2 * channels
    heard = struct.pack("<HHIIHH", 1, channels, hertz, hertz * block & 0xFFFFFFFF, block, 16)
    tracks = [stream(b"vids", b"MJPG", (scale, rate), shown, 0)] * streams
    tracks.append(stream(b"auds", bytes(4), (block, hertz * block & 0xFFFFFFFF), heard, block))
    tracks = tracks[:101]
    apart = min(2**32 - 1, 10**6 * scale // rate)
    main = struct.pack("<14I", apart, 0, 0, 0x10, said, 0, len(tracks), 0, 64, 48, 0, 0, 0, 0)
    pieces = [piece(b"00dc", b"" if held and index % 500 else picture) for index in range(count)]
    pieces.append(piece(b"%02dwb" % min(99, len(tracks) - 1), bytes(block * 100)))
    rows = struct.pack("<4sIII", b"00dc", 0x10, 4, len(picture)) * index_rows
    content = lists(b"hdrl", piece(b"avih", main), *tracks) + lists(b"movi", *pieces)
    content += piece(b"idx1", rows) if rows else b""
    told = f"{rate}/{scale} pictures a second, {width}x{height}, {hertz} Hz, {channels} channels, "
    told += f"{len(tracks)} streams, {count} pictures ({said} said), held: {held}, start {start}, "
    told += f"{index_rows} rows of an index"
    return Made(".avi", told, b"RIFF" + struct.pack("<I", 4 + len(content)) + b"AVI " + content)


def piece(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def lists(name: bytes, *parts: bytes) -> bytes:
    return piece(b"LIST", name + b"".join(parts))


STREAMS = (mkv, ts, avi)
