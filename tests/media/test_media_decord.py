# SPDX-License-Identifier: Apache-2.0
"""The training reader shows the frames that PyAV shows, and refuses the files that it would misread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg
from requirements import needs

from cad.data.decord_reader import read_video
from cad.errors import DataError, MediaNotFoundError
from cad.media.reader import open_media

pytestmark = needs("decord")
Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-c:a", "aac")


@pytest.mark.parametrize("rate", ["25", "30", "24000/1001", "50", "12.5"])
def test_frame_by_frame_as_pyav(make_clip: Make, rate: str) -> None:
    path = make_clip("decord.mp4", *H264, "-vf", f"fps={rate}")
    fast = read_video(path)
    with open_media(path) as reader:
        chunks = list(reader.video_chunks())
    frames, present = np.concatenate([c.frames for c in chunks]), np.concatenate([c.present for c in chunks])
    assert fast.first_slot == 0 and fast.frames.shape == frames.shape
    assert (fast.present == present).all()
    differences = np.abs(fast.frames.astype(np.int16) - frames.astype(np.int16)).mean(axis=(1, 2, 3))
    # The moving bar sets neighbours apart by far more than two conversions to RGB differ.
    neighbours = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    assert differences.max() < 1.5 < np.median(neighbours[neighbours > 0])


@pytest.mark.parametrize("name", ["decord.ts", "decord.mpg", "decord.mkv", "decord.avi"])
def test_other_containers_are_refused(make_clip: Make, name: str) -> None:
    codecs = ("-c:v", "mpeg2video", "-c:a", "mp2")
    with pytest.raises(DataError, match="open_media"):
        read_video(make_clip(name, *codecs))


def test_edit_lists_are_refused(make_clip: Make, tmp_path: Path) -> None:
    whole = make_clip("decord-edit.mp4", *H264, "-g", "50")
    hidden, late = tmp_path / "hidden.mp4", tmp_path / "late.mp4"
    run_ffmpeg("-ss", "0.44", "-i", whole, "-c", "copy", hidden)
    run_ffmpeg("-itsoffset", "0.4", "-i", whole, "-i", whole, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    for path in (hidden, late):
        with pytest.raises(DataError, match="edit list"):
            read_video(path)


def test_variable_rates_are_refused(make_clip: Make) -> None:
    path = make_clip("decord-vfr.mp4", *H264, "-vf", "select='mod(n+1\\,3)'", "-vsync", "vfr")
    with pytest.raises(DataError, match="varies"):
        read_video(path)


def test_rotated_pictures_are_refused(make_clip: Make, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    run_ffmpeg("-i", make_clip("decord.mp4", *H264), "-c", "copy", "-metadata:s:v", "rotate=90", path)
    with pytest.raises(DataError, match="rotated"):
        read_video(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError):
        read_video(tmp_path / "none.mp4")
