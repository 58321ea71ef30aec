# SPDX-License-Identifier: Apache-2.0
"""begins_like_media tells the search of folders which files are media, by magic numbers in their first bytes alone.

Nothing is parsed here, since files are parsed in the decoding process only. What begins like media may still turn out
not to be; the decoder has the last word.

Sources: the formats' own definitions (ISO/IEC 14496-12, 13818-1, 11172-3, 13818-7; RFC 8794, 3533, 9639; the headers of
RIFF, AIFF, CAF, AU, ASF, FLV, MXF, PNG, GIF, JPEG, TIFF, BMP and JPEG XL).
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: How much of a file is looked at: several packets of a transport stream, several frames of sound without a container.
HEAD_BYTES = 1 << 14
#: What a file may begin with. A dot stands for any byte.
_MAGIC = re.compile(
    b"|".join(
        (
            rb"\x1a\x45\xdf\xa3",  # Matroska, WebM
            rb"(?:RIFF|RF64|BW64)....(?:WAVE|AVI |WEBP)",
            rb"riff\x2e\x91\xcf\x11",  # Wave64
            rb"FORM....AIF[FC]",
            rb"OggS\x00|fLaC|\.snd\x00|caff\x00|FLV\x01|ID3[\x02-\x04]|#!AMR|DKIF\x00|\.RMF\x00|nut/multimedia",
            rb"wvpk|TTA1|MAC .[\x0c-\x10]",  # WavPack, True Audio, Monkey's Audio
            rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV, WMA
            rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",  # MXF
            rb"\x1f\x07\x00[\x3f\xbf]",  # DV
            rb"\x0b\x77",  # AC-3, E-AC-3
            rb"\x12\x00\x0a",  # AV1 as bare units
            rb"\x00\x00\x01[\xba\xb3\xb0]",  # MPEG programme stream, MPEG-1, -2 and -4 video
            rb"\x00{2,3}\x01(?:[\x27\x47\x67]|\x09[\x10\x30\x50\x70\x90\xb0\xd0\xf0])",  # H.264 as bare units
            rb"\x00{2,3}\x01[\x40\x42\x44\x46]\x01",  # H.265 as bare units
            rb"\x89PNG\r\n\x1a\n|GIF8[79]a|\xff\xd8\xff",
            rb"(?:II\*\x00|MM\x00\*)",  # TIFF
            rb"BM....\x00\x00\x00\x00....[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00",
            rb"P[56]\s+(?:#[^\n]*\n)?\d+\s+\d+\s+\d+\s",  # grey and colour maps
            rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n",
        )
    ),
    re.DOTALL,
)
#: Boxes with which a file of the MP4 family (MOV, HEIC, AVIF, 3GP ...) begins.
_FIRST_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx"))
_PACKET_SIZES = (188, 192, 204)
_PACKETS = 8
#: The companions in which macOS keeps a file's attributes on foreign disks.
_APPLE_DOUBLE = b"\0\5\x16\7"
_KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def begins_like_media(head: bytes) -> bool:
    """Say whether a file that begins with ``head`` (up to HEAD_BYTES) is video, sound or a still.

    Example:
        >>> begins_like_media(b"fLaC" + bytes(60)), begins_like_media(b"import { Flac } from 'codecs'")
        (True, False)
    """
    return bool(
        _MAGIC.match(head)
        or (head[4:8] in _FIRST_BOXES and (head[0] < 0x10 or head[:4] == b"\0\0\0\1"))
        or _is_transport_stream(head)
        or _is_chain(head, _mpeg_audio_bytes)
        or _is_chain(head, _adts_bytes)
    )


def is_apple_double(head: bytes) -> bool:
    """Say whether a file holds another one's attributes (``._clip.mp4``)."""
    return head.startswith(_APPLE_DOUBLE)


def is_text(head: bytes) -> bool:
    """Say whether a file begins like text: no control characters, and UTF-8.

    Example:
        >>> is_text("const größe = 4;\\n".encode()), is_text(bytes(8)), is_text(b"")
        (True, False, False)
    """
    if not head or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # cut within a character
    return True


def _is_transport_stream(head: bytes) -> bool:
    """Say whether a synchronisation byte stands at the beginning of every packet; the first may have been cut."""
    for size in _PACKET_SIZES:
        for start in range(size):
            marks = head[start::size][:_PACKETS]
            if len(marks) >= 4 and marks == b"G" * len(marks):
                return True
    return False


def _is_chain(head: bytes, frame_bytes: Callable[[bytes], int]) -> bool:
    """Say whether three frames follow one another, each where the one before says."""
    at = 0
    for _ in range(3):
        size = frame_bytes(head[at : at + 6])
        if size == 0:
            return False
        at += size
    return True


def _mpeg_audio_bytes(header: bytes) -> int:
    """Return the length of the MPEG audio frame (MP1, MP2, MP3) that begins with a header, 0 if none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate, index, pad = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 0 or rate in (0, 15) or index == 3:
        return 0
    bits = _KBITS[(3, layer) if version == 3 else (2, 3 if layer == 3 else 1)][rate - 1] * 1000
    hz = _SAMPLE_RATES_HZ[version][index]
    if layer == 3:
        return (12 * bits // hz + pad) * 4
    return (72 if layer == 1 and version != 3 else 144) * bits // hz + pad


def _adts_bytes(header: bytes) -> int:
    """Return the length of the AAC frame that begins with a header, 0 if none does."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0
