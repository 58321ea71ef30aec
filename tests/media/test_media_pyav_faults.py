# SPDX-License-Identifier: Apache-2.0
"""Faults of PyAV that damage memory: whether the version at hand has them, and that none of our readings meets them.

For a report upstream, in words: ``av.sidedata.sidedata.SideData.__init__`` gives the ``AVDictionary`` of an
``AVFrameSideData`` to ``wrap_dictionary``, whose ``Dictionary.__dealloc__`` frees it; the dictionary belongs to the
frame, and ``av_frame_free`` frees it again. ``frame.side_data`` of any PNG with a colour profile does it (FFmpeg notes
the profile's name there), whatever the caller asks for. Either the dictionary is to be copied, or not to be freed.
Second: ``InputContainer.demux`` sizes its table of wanted streams once and reads it at the index of streams that appear
later, past its end (mended on the way to 19.0).
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.filter import Graph
from benchmarks.media_clips import run_ffmpeg
from requirements import needs

from cad.media import orientation
from cad.media.limits import MediaLimits
from cad.media.orientation import UPRIGHT, orientation_of, side_data_is_safe
from cad.media.picture import PictureConverter, PictureForm
from cad.media.pool import MediaPool
from cad.media.records import Outcome

#: Memory that has been freed is overwritten, so that a second free cannot pass unseen (glibc).
STRICT_MEMORY = {"MALLOC_PERTURB_": "165", "MALLOC_CHECK_": "3"}


def png(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """Write a grey PNG of 32 x 24 with further chunks before the pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 24, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + bytes(range(32)) for _ in range(24)))
    middle = b"".join(chunk(name, data) for name, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


PROFILE = (b"iCCP", b"Display P3\0\0" + zlib.compress(bytes(500)))
#: As a macOS screenshot has it: resolution and user comment, no orientation.
EXIF = (b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x1a\0\3\0\0\0\1\0\x90\0\0\0\0\0\0")


def outcome_of(script: str, *arguments: object) -> int:
    """Run a script in a process with strict memory and return its exit status; negative is a signal."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=STRICT_MEMORY, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode <= 0, done.stderr
    return done.returncode


@needs("linux")
def test_the_guard_agrees_with_what_this_pyav_does(tmp_path: Path) -> None:
    """Read side data as it must not be read, in a process of its own."""
    script = """
import sys, av
for _ in range(20):
    with av.open(sys.argv[1]) as container:
        for frame in container.decode(video=0):
            frame.side_data
"""
    died = outcome_of(script, png(tmp_path / "profile.png", PROFILE)) < 0
    if side_data_is_safe("png", av.__version__):
        assert not died, f"PyAV {av.__version__} frees side data twice; raise SIDE_DATA_MENDED_IN"
    elif not died:
        numbers = re.findall(r"\d+", av.__version__)
        assert tuple(map(int, numbers[:2])) > (18, 1), "the fault is not seen any more where it is known to be"
        warnings.warn(f"PyAV {av.__version__} seems mended: SIDE_DATA_MENDED_IN may say so", stacklevel=1)


@needs("linux")
@pytest.mark.parametrize("chunks", [(PROFILE,), (PROFILE, EXIF), (EXIF, PROFILE), (EXIF,)])
def test_our_reading_of_the_orientation_frees_nothing_twice(tmp_path: Path, chunks: tuple[tuple[bytes, bytes]]) -> None:
    script = """
import os, sys
from cad.media.container import OpenContainer
from cad.media.limits import MediaLimits
from cad.media.probe import orientation_in
for _ in range(20):
    fd = os.open(sys.argv[1], os.O_RDONLY)
    with OpenContainer(fd, "it", MediaLimits()) as source:
        for frame in source.frames(source.video):
            assert orientation_in(source, source.video, frame) == (False, False, False)
    os.close(fd)
"""
    assert outcome_of(script, png(tmp_path / "screenshot.png", *chunks)) == 0


def test_side_data_that_may_hold_a_dictionary_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frame:
        rotation = -90

        @property
        def side_data(self) -> None:
            raise AssertionError("read")

    assert orientation_of(Frame(), "png") == (True, False, True)
    with pytest.raises(AssertionError, match="read"):
        orientation_of(Frame(), "h264")
    monkeypatch.setattr(orientation, "SIDE_DATA_MENDED_IN", tuple(map(int, av.__version__.split(".")[:2])))
    with pytest.raises(AssertionError, match="read"):
        orientation_of(Frame(), "png")
    monkeypatch.setattr(orientation, "SIDE_DATA_MENDED_IN", (int(av.__version__.split(".")[0]) + 1, 0))
    assert orientation_of(Frame(), "png") == (True, False, True)


def test_a_matrix_that_mirrors_is_still_read_of_moving_pictures() -> None:
    matrix = struct.pack("=9i", -65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    frame = SimpleNamespace(rotation=180, side_data={"DISPLAYMATRIX": matrix})
    assert orientation_of(frame, "hevc") == (False, False, True)


@needs("linux")
def test_screenshots_before_a_clip_leave_it_what_it_is_alone(tmp_path: Path, h264_mp4: Path) -> None:
    files = [png(tmp_path / f"{index}.png", PROFILE, EXIF) for index in range(7)]
    pids = set()
    with MediaPool() as pool:
        for path in [*files, h264_mp4]:
            with pool.open(path) as reader:
                assert reader._worker is not None
                pids.add(reader._worker.pid)
                sound = reader.audio()
                slots = sum(len(chunk.present) for chunk in reader.video_chunks())
                outcome = reader.report.outcome
            assert outcome in (Outcome.OK, Outcome.NO_AUDIO)
    assert sound is not None and sound.present.all() and slots == 50
    assert len(pids) == 1  # nothing was damaged, so nothing had to be tried again


@needs("linux")
def test_a_stream_that_appears_later_does_not_end_in_an_error(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    parts = []
    for index, ids in enumerate([("0x100",), ("0x100", "0x200")]):
        source = make_clip("first.mp4", "-c:v", "libx264", "-g", "12", "-c:a", "aac")
        part = tmp_path / f"{index}.ts"
        maps = [word for stream in range(len(ids)) for word in ("-map", f"0:{stream}")]
        numbers = [word for stream, pid in enumerate(ids) for word in ("-streamid", f"{stream}:{pid}")]
        run_ffmpeg("-i", source, *maps, "-c", "copy", *numbers, part)
        parts.append(part)
    joined = tmp_path / "joined.ts"
    # FFmpeg looks for streams at the beginning, and at the end for the duration.
    many = parts[0].read_bytes() * (3_000_000 // parts[0].stat().st_size)
    joined.write_bytes(many + parts[1].read_bytes() + many)
    script = """
import os, sys
from cad.media.container import OpenContainer
from cad.media.limits import MediaLimits
fd = os.open(sys.argv[1], os.O_RDONLY)
with OpenContainer(fd, "it", MediaLimits()) as source:
    before = len(source.container.streams)
    assert sum(1 for frame in source.frames(source.video)) == int(sys.argv[2]), "pictures"
    assert before == 1, "this file does not show the fault"
"""
    with av.open(str(parts[0])) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    assert outcome_of(script, joined, len(many) // parts[0].stat().st_size * 2 * pictures + pictures) == 0


def test_a_picture_that_is_stored_from_the_bottom_up_is_not_turned_over() -> None:
    """PyAV says so with a negative ``line_size``, and numpy takes a negative length for an unknown one."""
    pixels = np.zeros((24, 32, 3), np.uint8)
    pixels[:12] = 255
    graph = Graph()
    source = graph.add("buffer", "video_size=32x24:pix_fmt=rgb24:time_base=1/25")
    chain = [source, graph.add("vflip"), graph.add("buffersink")]
    for one, other in pairwise(chain):
        one.link_to(other)
    graph.configure()
    graph.push(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    frame = graph.pull()
    assert isinstance(frame, av.VideoFrame) and frame.planes[0].line_size < 0
    found = np.empty_like(pixels)
    PictureConverter(PictureForm(32, 24, 1.0, UPRIGHT), MediaLimits(), False).write(frame, found)
    assert np.array_equal(found, pixels[::-1])
