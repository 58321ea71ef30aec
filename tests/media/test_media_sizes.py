# SPDX-License-Identifier: Apache-2.0
"""Sizes: frames come at the size that they have in the file, whenever it changes, as far as the limits allow it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg

from cad.media.limits import MediaLimits
from cad.media.reader import open_media

Make = Callable[..., Path]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12")


def _joined(make_clip: Make, folder: Path, *filters: str, extra: tuple[str, ...] = ()) -> Path:
    """A transport stream of a second under each filter, one after the other."""
    joined = folder / "joined.ts"
    with joined.open("wb") as out:
        for index, vf in enumerate(filters):
            part = make_clip(f"part{index}.ts", *H264, "-vf", vf, *extra, "-t", "1", sound=False)
            moved = folder / f"moved{index}.ts"
            run_ffmpeg("-i", part, "-c", "copy", "-output_ts_offset", f"{index}.0", "-muxdelay", "0", moved)
            out.write(moved.read_bytes())
    return joined


@pytest.mark.parametrize(
    "sizes", [("160:120", "120:160"), ("160:90", "640:360"), ("640:360", "16:16", "320:180"), ("64:48", "1920:1440")]
)
def test_size_follows_the_frame(make_clip: Make, tmp_path: Path, sizes: tuple[str, ...]) -> None:
    path = _joined(make_clip, tmp_path, *(f"scale={size}" for size in sizes))
    with open_media(path) as reader:
        chunks = [(chunk.first_slot, chunk.frames.shape, chunk.present.copy()) for chunk in reader.video_chunks()]
        assert reader.report.coverage == 1
    next_slot, seen = 0, {}
    for first_slot, (slots, height, width, _), present in chunks:
        assert first_slot == next_slot  # each slot once, in order
        next_slot += slots
        seen[f"{width}:{height}"] = seen.get(f"{width}:{height}", 0) + int(present.sum())
    assert list(seen) == list(sizes)
    assert all(count >= 20 for count in seen.values())


def test_growing_frames_are_whole_and_upright(make_clip: Make, tmp_path: Path) -> None:
    box = "drawbox=0:0:iw/4:ih/4:white:fill"
    path = _joined(make_clip, tmp_path, f"scale=80:60,{box}", f"scale=320:240,{box}", extra=("-qp", "10"))
    with open_media(path) as reader:
        for chunk in reader.video_chunks():
            _, height, width, _ = chunk.frames.shape
            frames = chunk.frames[chunk.present]
            assert frames[:, 2 : height // 4 - 3, 2 : width // 4 - 3].mean() > 220
            assert frames[:, : height // 4, width // 2 :].mean() < 200  # but for a flash now and then


def test_a_size_that_changes_with_every_frame_is_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "restless.mkv"
    sizes = [(64, 48), (128, 96), (96, 128)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(30):
            width, height = sizes[index % 3]
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 25)
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in (*encoder.encode(frame.reformat(format="yuvj420p")), *encoder.encode(None)):
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, index, index, Fraction(1, 25)
                container.mux(packet)
    with open_media(path) as reader:
        shapes = [chunk.frames.shape[1:3] for chunk in reader.video_chunks() for _ in range(len(chunk.frames))]
    assert shapes == [sizes[index % 3][::-1] for index in range(30)]


def test_4k_is_handed_over_whole_and_8k_with_its_scale(make_clip: Make) -> None:
    full = make_clip("full.mp4", *H264, "-vf", "scale=3840:2160", "-frames:v", "3", sound=False)
    with open_media(full) as reader:
        chunks = [(chunk.frames.shape, chunk.file_scale) for chunk in reader.video_chunks()]
    assert {(shape[1:], scale) for shape, scale in chunks} == {((2160, 3840, 3), 1.0)}
    assert sum(shape[0] for shape, _ in chunks) == 3 and all(shape[0] <= 2 for shape, _ in chunks)
    with open_media(full, MediaLimits(max_side_px=1920)) as reader:
        chunk = next(reader.video_chunks())
    assert chunk.frames.shape[1:] == (1080, 1920, 3) and chunk.file_scale == 2.0


def test_a_large_still_is_handed_over_whole(make_clip: Make) -> None:
    path = make_clip("large.png", "-vf", "scale=5000:4000", "-frames:v", "1", sound=False)
    with open_media(path) as reader:
        (chunk,) = reader.video_chunks()
    assert chunk.frames.shape == (1, 4000, 5000, 3) and chunk.file_scale == 1.0
    with open_media(path, MediaLimits(max_still_pixels=1_000_000)) as reader:
        (chunk,) = reader.video_chunks()
    assert chunk.frames.shape == (1, 894, 1118, 3) and abs(chunk.file_scale - 4.474) < 0.01
