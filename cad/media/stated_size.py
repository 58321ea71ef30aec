# SPDX-License-Identifier: Apache-2.0
"""stated_share tells how much of a file is there, where a header states exactly how much there should be.

Lengths in bytes, packets or samples that a writer puts into a header once it has finished are exact; what a demuxer
estimates from the bit rate is not, and is never used. Half a download of such a file is known for half a file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from cad.media.boxes import Entry, box_at, boxes, elements

#: From this share on a file is whole: writers differ by a pad byte or a closing tag.
_WHOLE = 0.999
#: Headers stand near the beginning of a file.
_HEAD_BYTES = 1 << 16
_SEGMENT_ID = b"\x18\x53\x80\x67"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


def stated_share(fd: int, container_format: str) -> float:
    """Return the share of the stated bytes that the file has, in (0, 1]; 1 where nothing is stated.

    Args:
        fd: Descriptor of the file.
        container_format: FFmpeg's name of its format.
    """
    total = stated_bytes(fd, container_format)
    size = os.fstat(fd).st_size
    return 1.0 if not total or size >= total * _WHOLE else size / total


def stated_bytes(fd: int, container_format: str) -> int | None:
    """Return how long the file should be by its own headers; None where they do not say."""
    reader = _READERS.get(container_format)
    if reader is None:
        return None
    try:
        return reader(fd, os.fstat(fd).st_size)
    except (struct.error, IndexError):
        return None  # the header is cut off or damaged


def stated_samples(fd: int, container_format: str) -> int | None:
    """Return how many samples of sound a lossless file should hold; None where it does not say."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    try:
        if container_format == "flac":
            at = _id3_bytes(head)
            # Source: RFC 9639, 8.2: 36 bits, 0 where the number is not known.
            known = head[at : at + 4] == b"fLaC" and head[at + 4] & 0x7F == 0
            return (int.from_bytes(head[at + 18 : at + 26], "big") & ((1 << 36) - 1)) or None if known else None
        if container_format == "tta":
            at = _id3_bytes(head)
            return int(struct.unpack_from("<I", head, at + 14)[0]) or None if head[at : at + 4] == b"TTA1" else None
        if container_format == "wv" and head[:4] == b"wvpk":
            total, first = struct.unpack_from("<II", head, 12)
            return None if total == 0xFFFFFFFF or first else int(total) or None
    except (struct.error, IndexError):
        return None
    return None


def stated_packets(fd: int, container_format: str) -> int | None:
    """Return how many packets a file should hold; None where it does not say."""
    if container_format != "mp3":
        return None
    return _mp3_header(fd)[0]


def stated_end_seconds(fd: int, container_format: str) -> float | None:
    """Return when a fragmented MP4 ends as its movie header says; None where it does not.

    Source: ISO/IEC 14496-12, 8.8.2.
    """
    if not container_format.startswith("mov,"):
        return None
    size = os.fstat(fd).st_size
    ends, heads = (box_at(fd, (b"moov", *path), 0, size) for path in ((b"mvex", b"mehd"), (b"mvhd",)))
    if not ends or not heads:
        return None
    long_end, long_head = (os.pread(fd, 1, box.start) == b"\x01" for box in (ends[0], heads[0]))
    duration = int.from_bytes(os.pread(fd, 8 if long_end else 4, ends[0].start + 4), "big")
    scale = int.from_bytes(os.pread(fd, 4, heads[0].start + (20 if long_head else 12)), "big")
    return duration / scale if duration and scale else None


def _riff(fd: int, size: int) -> int | None:
    """Source: Microsoft RIFF; EBU Tech 3306 (RF64)."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    if head[8:12] == b"AVI ":
        return _avi(fd, size)
    if head[8:12] != b"WAVE":
        return None
    long_data = struct.unpack_from("<Q", head, 28)[0] if head[:4] in (b"RF64", b"BW64") else None
    at = 12
    while at + 8 <= len(head):
        kind, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if kind == b"data":
            if length == 0xFFFFFFFF and long_data:
                return int(at + 8 + long_data)
            return None if _is_open(length) else int(at + 8 + length)
        at += 8 + length + length % 2
    return None


def _avi(fd: int, size: int) -> int | None:
    """Return where the last of the RIFF chunks ends that make up a long AVI."""
    at = 0
    while at < size:
        head = os.pread(fd, 12, at)
        if len(head) < 12 or head[:4] != b"RIFF":
            break
        length = struct.unpack_from("<I", head, 4)[0]
        if _is_open(length):
            return None
        at += 8 + length + length % 2
    return at or None


def _is_open(length: int) -> bool:
    """Return whether a writer that could not go back has left the length open (0, or close below 2 or 4 GiB)."""
    return length == 0 or length == 0x80000000 or length & 0x7FFFF000 == 0x7FFFF000


def _aiff(fd: int, size: int) -> int | None:
    head = os.pread(fd, 8, 0)
    length = int(struct.unpack_from(">I", head, 4)[0])
    return None if head[:4] != b"FORM" or _is_open(length) else 8 + length


def _au(fd: int, size: int) -> int | None:
    start, length = struct.unpack(">II", os.pread(fd, 8, 4))
    return None if _is_open(length) else int(start + length)


def _w64(fd: int, size: int) -> int | None:
    head = os.pread(fd, 24, 0)
    length = int(struct.unpack_from("<Q", head, 16)[0])
    return length if head[:16] == _W64_RIFF and 0 < length < 1 << 62 else None


def _caf(fd: int, size: int) -> int | None:
    at = 8
    while at < size:
        kind, length = struct.unpack(">4sq", os.pread(fd, 12, at))
        if length < 0:
            return None
        at += 12 + length
        if kind == b"data":
            return int(at)
    return None


def _asf(fd: int, size: int) -> int | None:
    """Source: Advanced Systems Format 1.2, 3.2."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    at = head.find(_ASF_FILE_PROPERTIES)
    if head[:16] != _ASF_HEADER or at < 0:
        return None
    broadcast = struct.unpack_from("<I", head, at + 88)[0] & 1
    return None if broadcast else int(struct.unpack_from("<Q", head, at + 40)[0])


def _matroska(fd: int, size: int) -> int | None:
    return next((element.stop for element in elements(fd, 0, size) if element.kind == _SEGMENT_ID), None)


def _mov(fd: int, size: int) -> int | None:
    """Return where the last fragment that is there, or all that an index lists, ends; nothing without fragments.

    A file without fragments has tables of its samples, which say more.
    """
    top = list(boxes(fd, 0, size))
    if not any(box.kind in (b"moof", b"sidx") for box in top):
        return None
    return max((end for box in top if (end := _indexed(fd, box) if box.kind == b"sidx" else box.stop)), default=None)


def _indexed(fd: int, sidx: Entry) -> int | None:
    """Return where the last segment ends that an index lists. Source: ISO/IEC 14496-12, 8.16.3."""
    if sidx.stop is None:
        return None
    content = os.pread(fd, min(sidx.stop - sidx.start, 1 << 22), sidx.start)
    long = content[0] > 0
    offset = struct.unpack_from(">Q" if long else ">I", content, 20 if long else 16)[0]
    at = 28 if long else 20
    (count,) = struct.unpack_from(">H", content, at + 2)
    sizes = (struct.unpack_from(">I", content, at + 4 + 12 * index)[0] & 0x7FFFFFFF for index in range(count))
    return int(sidx.stop + offset + sum(sizes))


def _flv(fd: int, size: int) -> int | None:
    """Return the number that the script tag ``onMetaData`` calls ``filesize``."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    at = head.find(b"\x00\x08filesize\x00")
    if at < 0 or b"onMetaData" not in head[:at]:
        return None
    value = struct.unpack_from(">d", head, at + 11)[0]
    return int(value) if 0 < value < 1 << 53 else None


def _mxf(fd: int, size: int) -> int | None:
    """Return where the footer begins as the header partition says. Source: SMPTE ST 377-1, 7.1."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    at = head.find(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")
    if at < 0:
        return None
    length = head[at + 16]
    content = at + 17 + (length & 0x7F if length & 0x80 else 0)
    return int(struct.unpack_from(">Q", head, content + 24)[0]) or None


def _rm(fd: int, size: int) -> int | None:
    at = 0
    while at < size:
        kind, length = struct.unpack(">4sI", os.pread(fd, 8, at))
        if length < 8:
            return None
        at += length
        if kind == b"DATA":
            return int(at)
    return None


def _mp3(fd: int, size: int) -> int | None:
    return _mp3_header(fd)[1]


def _mp3_header(fd: int) -> tuple[int | None, int | None]:
    """Return how many frames an MP3 file has and where the last one ends, by the header in its first frame.

    Source: the Xing/LAME and VBRI headers; ISO/IEC 11172-3 for the frame's own.
    """
    head = os.pread(fd, 4, 0)
    start = _id3_bytes(os.pread(fd, 10, 0)) if head[:3] == b"ID3" else 0
    frame = os.pread(fd, 256, start)
    if len(frame) < 200 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None, None
    mpeg1, mono = frame[1] & 0x18 == 0x18, frame[3] & 0xC0 == 0xC0
    xing = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17)) + (0 if frame[1] & 1 else 2)
    if frame[36:40] == b"VBRI":
        length, frames = struct.unpack_from(">II", frame, 46)
        return int(frames) or None, start + int(length) if length else None
    if frame[xing : xing + 4] not in (b"Xing", b"Info"):
        return None, None
    (flags,) = struct.unpack_from(">I", frame, xing + 4)
    at = xing + 8
    frames = length = 0
    if flags & 1:
        (frames,) = struct.unpack_from(">I", frame, at)
        at += 4
    if flags & 2:
        (length,) = struct.unpack_from(">I", frame, at)
    return int(frames) or None, start + int(length) if length else None


def _id3_bytes(head: bytes) -> int:
    """Return the length of the ID3 tag at the beginning of a file."""
    if head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


_READERS: dict[str, Callable[[int, int], int | None]] = {
    "wav": _riff,
    "avi": _riff,
    "aiff": _aiff,
    "au": _au,
    "w64": _w64,
    "caf": _caf,
    "asf": _asf,
    "matroska,webm": _matroska,
    "mov,mp4,m4a,3gp,3g2,mj2": _mov,
    "flv": _flv,
    "mxf": _mxf,
    "rm": _rm,
    "mp3": _mp3,
}
