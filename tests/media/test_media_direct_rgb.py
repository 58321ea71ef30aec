# SPDX-License-Identifier: Apache-2.0
"""What FFmpeg writes straight into shared memory is what PyAV converts, byte for byte, with nothing beside it."""

from __future__ import annotations

import av
import numpy as np
import pytest
from requirements import needs

from cad.media import swscale
from cad.media.limits import MediaLimits
from cad.media.orientation import UPRIGHT
from cad.media.picture import PictureConverter, PictureForm

GUARD = 99
SIZES = [(16, 16), (24, 10), (1280, 720), (856, 480), (1080, 1920), (40, 32), (18, 32), (32, 33)]


def noise(width: int, height: int, pixels: str, colorspace: int = 2, color_range: int = 0) -> av.VideoFrame:
    rng = np.random.default_rng(width + height)
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def converted(frame: av.VideoFrame) -> tuple[np.ndarray, PictureConverter]:
    """Return the picture as it is written into the middle of other memory, which must stay as it was."""
    converter = PictureConverter(PictureForm(frame.width, frame.height, 1.0, UPRIGHT), MediaLimits(), False)
    size = frame.width * frame.height * 3
    memory = np.full(size + 1024, GUARD, np.uint8)
    picture = memory[512:-512].reshape(frame.height, frame.width, 3)
    for _ in range(2):  # the first frame of a kind is converted both ways
        picture[:] = 0
        converter.write(frame, picture)
    assert (memory[:512] == GUARD).all() and (memory[-512:] == GUARD).all()
    return picture, converter


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv420p10le", "rgb24"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pictures_are_those_of_pyav(width: int, height: int, pixels: str) -> None:
    frame = noise(width, height, pixels)
    assert np.array_equal(converted(frame)[0], frame.to_ndarray(format="rgb24", interpolation="BILINEAR"))


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("colorspace", [1, 2, 5, 6, 7, 9])
def test_every_matrix_and_range_is_that_of_pyav(colorspace: int, color_range: int) -> None:
    frame = noise(32, 16, "yuv420p", colorspace, color_range)
    assert np.array_equal(converted(frame)[0], frame.to_ndarray(format="rgb24", interpolation="BILINEAR"))


@needs("linux")
def test_plain_pictures_are_written_straight_to_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, wanted = noise(64, 48, "yuv420p"), np.empty((48, 64, 3), np.uint8)
    _, converter = converted(frame)
    monkeypatch.setattr(converter, "_converted", None)  # PyAV is not asked any more
    converter.write(frame, wanted)
    assert wanted.any()


@needs("linux")
def test_where_ffmpeg_gives_something_else_than_pyav_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = noise(64, 48, "yuv420p")
    wanted = frame.to_ndarray(format="rgb24", interpolation="BILINEAR")
    monkeypatch.setattr(swscale, "_SWS_BILINEAR", 0x40000 | 2)  # rounds exactly
    assert np.array_equal(converted(frame)[0], wanted)
    monkeypatch.setattr(swscale, "_LIBRARY", None)
    assert np.array_equal(converted(frame)[0], wanted)
