# SPDX-License-Identifier: Apache-2.0
"""A path, bytes and a stream of the same content read alike, are hashed, and leave nothing behind."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from requirements import needs

from cad.errors import MediaLimitError, MediaNotFoundError, MediaUnreadableError, OptionError
from cad.media.input import open_input
from cad.media.limits import MediaLimits
from cad.media.pool import MediaPool
from cad.media.reader import MediaReader, open_media
from cad.media.records import MediaKind, Outcome

DATA = Path(__file__).resolve().parents[1] / "data"
CLIPS: dict[str, tuple[str, ...]] = {
    "plain.mp4": ("-c:v", "libx264", "-g", "12", "-c:a", "aac"),
    "cues.mkv": ("-c:v", "libx264", "-c:a", "flac"),
    "plain.ts": ("-c:v", "libx264", "-g", "12", "-bf", "2", "-c:a", "mp2"),
    "plain.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    "sound.mp3": ("-vn", "-c:a", "mp3"),
    "sound.wav": ("-vn", "-c:a", "pcm_s16le"),
}


class Dribble:
    """A stream that gives a few bytes at a time and cannot be rewound."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)
        self.given = 0

    def read(self, size: int, /) -> bytes:
        part = self._stream.read(min(size, 7001))
        self.given += len(part)
        return part


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test here must leave no descriptor and no shared memory."""
    before = leftovers()
    yield
    for _ in range(50):
        if leftovers() == before:
            return
        time.sleep(0.02)
    assert leftovers() == before


def leftovers() -> tuple[int, int]:
    if sys.platform != "linux":
        return 0, 0
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/dev/shm"))  # noqa: PTH208 - names are enough


def read(reader: MediaReader) -> tuple[Any, ...]:
    with reader:
        sound = reader.audio()
        chunks = list(reader.video_chunks())
    frames = np.concatenate([chunk.frames for chunk in chunks]).tobytes() if chunks else b""
    return sound and (sound.samples.tobytes(), sound.present.tobytes()), frames, replace(reader.info, path=""), reader


@pytest.mark.parametrize("name", [*CLIPS, "astronaut.jpg"])
def test_the_same_bytes_give_the_same_however_they_come(make_clip: Callable[..., Path], name: str) -> None:
    path = make_clip(name, *CLIPS[name]) if name in CLIPS else DATA / name
    content = path.read_bytes()
    with MediaPool() as pool:
        *wanted, reader = read(pool.open(path))
        assert reader.report.outcome in (Outcome.OK, Outcome.NO_AUDIO, Outcome.NO_VIDEO)
        assert reader.info.path == str(path)
        assert reader.info.sha256 == hashlib.sha256(content).hexdigest()
        for media in (content, bytearray(content), memoryview(content)):
            *found, reader = read(pool.open(media))
            assert found == wanted and reader.info.path == "<bytes>"
        for stream in (io.BytesIO(content), Dribble(content)):
            *found, reader = read(pool.open(stream))
            assert found == wanted and reader.info.path == "<stream>"
        with path.open("rb") as file:
            *found, reader = read(pool.open(file, name="upload 7"))
        assert found == wanted and reader.info.path == "upload 7"


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"envelope" + (DATA / "astronaut.jpg").read_bytes())
    stream.seek(8)
    with open_media(stream) as reader:
        assert reader.info.kind is MediaKind.IMAGE


def test_what_is_decoded_is_what_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes((DATA / "astronaut.jpg").read_bytes())
    with open_media(path) as reader:
        path.unlink()
        path.write_text("something else")
        assert len(list(reader.video_chunks())) == 1
        assert reader.report.outcome is Outcome.CHANGED and reader.info.sha256 == ""


def test_the_hash_is_known_once_everything_has_been_read() -> None:
    with open_media(DATA / "astronaut_fake.mp4") as reader:
        assert reader.info.sha256 == ""
        chunks = reader.video_chunks()
        next(chunks)
        assert reader.info.sha256 == ""
    assert reader.info.sha256 == "", "an abandoned reading waits for no hash"


def test_no_more_than_the_limit_is_read() -> None:
    content = (DATA / "astronaut.jpg").read_bytes()
    with open_media(content, MediaLimits(max_file_bytes=len(content))) as reader:
        assert reader.info.size_bytes == len(content)
    limits = MediaLimits(max_file_bytes=len(content) - 1)
    stream = Dribble(content + bytes(1 << 20))
    with pytest.raises(MediaLimitError, match=f"more than {len(content) - 1} bytes"):
        open_media(stream, limits)
    assert stream.given <= len(content)
    with pytest.raises(MediaLimitError):
        open_media(content, limits)
    with pytest.raises(MediaLimitError):
        open_media(DATA / "astronaut.jpg", limits)


def test_a_stream_that_fails_is_unreadable() -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise ConnectionResetError("peer went away")

    with pytest.raises(MediaUnreadableError, match="ConnectionResetError: peer went away") as caught:
        open_media(Broken(), name="call 12")
    assert str(caught.value).startswith("call 12: ")


@pytest.mark.parametrize(
    ("media", "error", "message"),
    [
        (b"", MediaUnreadableError, "empty"),
        (io.BytesIO(), MediaUnreadableError, "empty"),
        (b"plain words " * 90, MediaUnreadableError, "plain text"),
        (io.StringIO("words"), OptionError, "got text; open files in binary mode"),
        (7, OptionError, "got int"),
        (None, OptionError, "got NoneType"),
        ("no such file", MediaNotFoundError, "no such file"),
        ("a\0b", MediaUnreadableError, "cannot be opened"),
    ],
)
def test_what_is_refused_is_said(media: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_media(media)


def test_a_stream_that_has_nothing_ready_is_refused() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as stream, pytest.raises(MediaUnreadableError, match="ready"):
        open_media(stream)
    os.close(writing)


@needs("linux")
def test_spooled_input_cannot_be_changed() -> None:
    file = open_input(b"some bytes", MediaLimits())
    with pytest.raises(PermissionError):
        os.pwrite(file.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(file.fd, 0)
    file.close()


def test_views_that_are_not_contiguous_are_read() -> None:
    content = np.frombuffer((DATA / "astronaut.jpg").read_bytes(), np.uint8)
    with open_media(memoryview(np.repeat(content, 2).tobytes())[::2]) as reader:
        assert reader.info.kind is MediaKind.IMAGE


def test_a_file_that_is_closed_early_is_not_hashed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    large = open_input(path, MediaLimits())
    large.start_hashing()
    began = time.monotonic()
    large.close()
    assert time.monotonic() - began < 1.0
    assert large.sha256() == ""
