# SPDX-License-Identifier: Apache-2.0
"""Pictures whose header states an impossible size are too large, not damaged; the message names size and limit."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from benchmarks.media_clips import run_ffmpeg

from cad.errors import MediaLimitError
from cad.media.limits import MediaLimits
from cad.media.picture_size import stated_size
from cad.media.reader import open_media

SIZE = (320, 240)


def small(folder: Path, name: str, *arguments: str) -> bytes:
    path = folder / f"small{name}"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.2", *arguments, path)
    return path.read_bytes()


def patched(data: bytes, at: int, form: str, *values: int) -> bytes:
    there = bytearray(data)
    struct.pack_into(form, there, at, *values)
    return bytes(there)


def png(data: bytes) -> bytes:
    head = b"IHDR" + struct.pack(">II", 60000, 60000) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


def webp_canvas(data: bytes) -> bytes:
    chunks = b"VP8X" + struct.pack("<II", 10, 0) + 2 * (59999).to_bytes(3, "little") + data[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def tiff(data: bytes) -> bytes:
    (at,) = struct.unpack_from("<I", data, 4)
    for entry in range(at + 2, at + 2 + 12 * data[at], 12):
        if struct.unpack_from("<H", data, entry)[0] in (256, 257):
            data = patched(data, entry + 2, "<HII", 4, 1, 60000)
    return data


ONE = ("-frames:v", "1")
HUGE = {
    "png": (".png", ONE, png, "60000x60000"),
    "apng": (".apng", ("-f", "apng"), png, "60000x60000"),
    "jpeg": (".jpg", ONE, lambda d: patched(d, d.find(b"\xff\xc0") + 5, ">HH", 65535, 65535), "65535x65535"),
    "gif": (".gif", (), lambda d: patched(d, 6, "<HH", 65535, 65535), "65535x65535"),
    "bmp": (".bmp", ONE, lambda d: patched(d, 18, "<ii", 60000, -60000), "60000x60000"),
    "tiff": (".tiff", ONE, tiff, "60000x60000"),
    "webp": (".webp", ONE, lambda d: patched(d, d.find(b"VP8 ") + 14, "<HH", 16383, 16383), "16383x16383"),
    "webp canvas": (".webp", ONE, webp_canvas, "60000x60000"),
    "ppm": (".ppm", ONE, lambda d: d.replace(b"320 240", b"60000 60000", 1), "60000x60000"),
    "raw avi": (
        ".avi",
        ("-c:v", "rawvideo", "-pix_fmt", "bgr24"),
        lambda d: patched(d, d.find(b"strf") + 12, "<ii", 60000, 60000),
        "60000x60000",
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_size_is_named(ffmpeg: None, tmp_path: Path, name: str) -> None:
    suffix, arguments, enlarge, size = HUGE[name]
    path = tmp_path / f"huge{suffix}"
    path.write_bytes(enlarge(small(tmp_path, suffix, *arguments)))
    with pytest.raises(MediaLimitError, match=f"{size} pixels; the limit is 64000000") as caught:
        open_media(path)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("name", HUGE)
def test_what_is_stated_is_what_is_there(ffmpeg: None, tmp_path: Path, name: str) -> None:
    suffix, arguments, _, _ = HUGE[name]
    small(tmp_path, suffix, *arguments)
    path = tmp_path / f"small{suffix}"
    with path.open("rb") as file:
        assert stated_size(file.fileno()) == SIZE
    with open_media(path) as reader:
        assert reader.info.video is not None
        assert (reader.info.video.width_px, reader.info.video.height_px) == SIZE
    with pytest.raises(MediaLimitError, match="320x240"):
        open_media(path, MediaLimits(max_pixels_per_frame=320 * 240 - 1))


CUT = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\0", b"II*\0\xff\xff\xff\xff", b"BM", b"RIFF"]


@pytest.mark.parametrize("data", CUT)
def test_a_header_that_is_cut_off_states_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "cut"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert stated_size(file.fileno()) is None
