# SPDX-License-Identifier: Apache-2.0
"""encrypted_shares tells which streams of a file are encrypted: they would decode to noise, or not at all."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np

from cad.media.boxes import Entry, box_at, boxes, elements

#: Sample entries of protected tracks: Common Encryption, and the older protections that Apple's stores used.
_PROTECTED = (b"encv", b"enca", b"drms", b"drmi")
#: Objects of an ASF header that say that its packets are encrypted. Source: Advanced Systems Format 1.2, 3.14 to 3.16.
_ASF_PROTECTION = (
    bytes.fromhex("fbb31122 23bd d211 b4b7 00a0c955fc6e".replace(" ", "")),
    bytes.fromhex("14e68a29 2226 174c b935 dae07ee9289c".replace(" ", "")),
    bytes.fromhex("33850543 8169 e649 9b74 ad12cb86d58c".replace(" ", "")),
)
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_HEAD_BYTES = 1 << 20
_TS_PACKET_BYTES = 188
#: Scrambling is counted in blocks spread over a transport stream: all of it is as much to read again as to decode.
_TS_BLOCKS, _TS_BLOCK_BYTES = 64, _TS_PACKET_BYTES * 4096


def encrypted_shares(fd: int, container: Any) -> dict[int, float]:
    """Return, by index of the stream, the share of it that is encrypted, in (0, 1]; streams in the clear are left out.

    Tracks of MP4 whose packets say it themselves (clear packets may come first) are among them.

    Args:
        fd: Descriptor of the file.
        container: The same file, opened with PyAV.
    """
    name = container.format.name
    if name.startswith("mov,"):
        protected = _protected_tracks(fd)
        return {stream.index: 1.0 for stream in container.streams if stream.id in protected}
    if name.startswith("matroska"):
        return _encrypted_tracks(fd, container)
    if name == "mpegts":
        scrambled = _scrambled_pids(fd)
        return {stream.index: scrambled[stream.id] for stream in container.streams if stream.id in scrambled}
    if name == "asf" and _is_protected_asf(fd):
        return {stream.index: 1.0 for stream in container.streams}
    return {}


def states_encryption(fd: int) -> bool:
    """Return whether a file that cannot be opened says in its header that it is encrypted."""
    return bool(_protected_tracks(fd)) or _is_protected_asf(fd)


def _is_protected_asf(fd: int) -> bool:
    head = os.pread(fd, _HEAD_BYTES, 0)
    size = int.from_bytes(head[16:24], "little")
    return head[:16] == _ASF_HEADER and any(guid in head[:size] for guid in _ASF_PROTECTION)


def _protected_tracks(fd: int) -> set[int]:
    """Return the identifiers of the MP4 tracks all of whose sample entries are protected."""
    size = os.fstat(fd).st_size
    tracks: set[int] = set()
    for track in box_at(fd, (b"moov", b"trak"), 0, size):
        stop = min(track.stop or size, size)
        heads = box_at(fd, (b"tkhd",), track.start, stop)
        tables = box_at(fd, (b"mdia", b"minf", b"stbl", b"stsd"), track.start, stop)
        if heads and tables:
            long = os.pread(fd, 1, heads[0].start) == b"\x01"
            number = int.from_bytes(os.pread(fd, 4, heads[0].start + (20 if long else 12)), "big")
            # The table begins with a version and a count of 4 bytes each; its entries are boxes.
            entries = list(boxes(fd, tables[0].start + 8, min(tables[0].stop or stop, stop)))
            if entries and all(entry.kind in _PROTECTED for entry in entries):
                tracks.add(number)
    return tracks


def _encrypted_tracks(fd: int, container: Any) -> dict[int, float]:
    """Return the Matroska streams whose content is encrypted. Source: RFC 9559, 5.1.4.1.31."""
    size = os.fstat(fd).st_size
    counts: Counter[str] = Counter()
    shares: dict[int, float] = {}
    for track in _elements_at(fd, (b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"), 0, size):
        stop = min(track.stop or size, size)
        kinds = _elements_at(fd, (b"\x83",), track.start, stop)
        kind = {b"\x01": "video", b"\x02": "audio"}.get(os.pread(fd, 1, kinds[0].start) if kinds else b"")
        if kind is None:
            continue
        streams = [stream for stream in container.streams if stream.type == kind]
        encrypted = _elements_at(fd, (b"\x6d\x80", b"\x62\x40", b"\x50\x35"), track.start, stop)
        if encrypted and counts[kind] < len(streams):
            shares[streams[counts[kind]].index] = 1.0
        counts[kind] += 1
    return shares


def _elements_at(fd: int, path: tuple[bytes, ...], start: int, stop: int) -> list[Entry]:
    found: list[Entry] = []
    for element in elements(fd, start, stop):
        if element.kind == b"\x1f\x43\xb6\x75":
            break  # clusters follow: what describes the tracks stands before them
        if element.kind == path[0]:
            inside = min(element.stop or stop, stop)
            found += [element] if len(path) == 1 else _elements_at(fd, path[1:], element.start, inside)
    return found


def _scrambled_pids(fd: int) -> dict[int, float]:
    """Return, by packet identifier, the share of a transport stream's packets that are scrambled.

    Source: ISO/IEC 13818-1, 2.4.3.3 (transport_scrambling_control).
    """
    size = os.fstat(fd).st_size
    packets: Counter[int] = Counter()
    scrambled: Counter[int] = Counter()
    step = max(_TS_BLOCK_BYTES, size // _TS_BLOCKS)
    for at in range(0, size, step):
        block = np.frombuffer(os.pread(fd, _TS_BLOCK_BYTES, at), np.uint8)
        stride, first = _packets_of(block)
        if stride:
            rows = block[first : first + (len(block) - first) // stride * stride].reshape(-1, stride)
            rows = rows[(rows[:, 0] == 0x47) & (rows[:, 3] & 0x10 != 0)]
            pids = (rows[:, 1].astype(np.int64) & 0x1F) << 8 | rows[:, 2]
            for counter, seen in ((packets, pids), (scrambled, pids[rows[:, 3] & 0xC0 != 0])):
                numbers, counts = np.unique(seen, return_counts=True)
                counter.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    return {pid: count / packets[pid] for pid, count in scrambled.items()}


def _packets_of(block: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[int, int]:
    """Return the distance of the packets in a block (0: there are none) and where the first one begins."""
    for stride in (_TS_PACKET_BYTES, 192, 204):
        for first in range(min(stride, len(block))):
            marks = block[first::stride]
            if len(marks) >= 8 and (marks[:8] == 0x47).all():
                return stride, first
    return 0, 0
