# SPDX-License-Identifier: Apache-2.0
"""How the reader copes with files that mislead or are damaged (`tools/bench.py damage`).

Every file is made and damaged here, with the ffmpeg program. tests/media/test_media_damage.py and test_media_time.py
test the reader; this benchmark keeps the figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarks.formats import distance
from benchmarks.media_clips import flip_bits, media_bytes, read_events, run_ffmpeg, write_sources

from cad.errors import MediaError
from cad.media.pool import MediaPool

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-b:v", "900k")
SECONDS = 8.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # nothing to choose


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return one row for each kind of file."""
    del arguments
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as name, MediaPool() as pool:
        folder = Path(name)
        picture, sound = write_sources(folder, SECONDS)
        whole = folder / "whole.mp4"
        inputs = ("-i", picture, "-i", sound)
        run_ffmpeg(*inputs, *H264, "-c:a", "aac", "-movflags", "+faststart", whole)
        rows = [edit_list(pool, folder, inputs)]
        rows += [stream(pool, folder, inputs, suffix) for suffix in ("ts", "mpg")]
        rows += [flipped(pool, folder, whole), *(cut(pool, folder, whole, share) for share in (0.5, 0.75, 0.99))]
        rows += [gigantic(pool, folder), single(pool, folder, picture)]
    return {"seconds_of_clip": SECONDS, "rows": rows}


def edit_list(pool: MediaPool, folder: Path, inputs: tuple[object, ...]) -> dict[str, str]:
    source, trimmed = folder / "long-gop.mp4", folder / "trimmed.mp4"
    run_ffmpeg(*inputs, *H264, "-g", "200", "-c:a", "aac", source)
    run_ffmpeg("-ss", "0.44", "-i", source, "-c", "copy", trimmed)
    result = f"flash and beep {distance(pool, trimmed) * 1000:.0f} ms apart"
    return {"file": "MP4 trimmed without re-encoding (edit list)", "result": result}


def stream(pool: MediaPool, folder: Path, inputs: tuple[object, ...], suffix: str) -> dict[str, str]:
    path = folder / f"stream.{suffix}"
    run_ffmpeg(*inputs, "-c:v", "mpeg2video", "-b:v", "1500k", "-bf", "2", "-c:a", "mp2", path)
    with pool.open(path) as reader:
        origin = reader.info.origin_seconds - (reader.info.video.start_seconds if reader.info.video else 0.0)
        shown = [bar(frame) for chunk in reader.video_chunks() for frame in chunk.frames]
    expected = [round((slot / 25 + origin) * 25) for slot in range(len(shown))]
    wrong = sum(x is not None and abs(x - 4 * index % 160) > 3 for x, index in zip(shown, expected, strict=True))
    kind = {"ts": "MPEG transport stream", "mpg": "MPEG programme stream"}[suffix]
    return {"file": kind, "result": f"{wrong} of {len(shown)} slots show a wrong frame"}


def bar(frame: np.ndarray) -> int | None:
    """Return where the moving bar of the clip stands, which tells the frame's index; None in a flash."""
    columns = frame.mean(axis=(0, 2))
    return None if columns.mean() > 140 else int(np.convolve(columns, np.ones(4), mode="valid").argmax())


def flipped(pool: MediaPool, folder: Path, whole: Path) -> dict[str, str]:
    data = whole.read_bytes()
    path = folder / "flipped.mp4"
    path.write_bytes(flip_bits(data, 0.0005, *media_bytes(data)))
    _, _, (report, slots, seconds) = read_events(pool, path)
    read_of = f"{slots} of {SECONDS * 25:.0f} slots, {seconds:.2f} of {SECONDS:.2f} s of sound"
    text = f"{read_of}, {report.bad_packets} bad packets told"
    return {"file": "a bit flipped in 0.05 % of the payload's bytes", "result": text}


def cut(pool: MediaPool, folder: Path, whole: Path, share: float) -> dict[str, str]:
    path = folder / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    _, _, (report, slots, _) = read_events(pool, path)
    text = f"{slots} of {SECONDS * 25:.0f} slots, coverage {report.coverage:.0%}, outcome {report.outcome.value}"
    return {"file": f"download broken off at {share:.0%}", "result": text}


def gigantic(pool: MediaPool, folder: Path) -> dict[str, str]:
    path = folder / "gigantic.mov"
    run_ffmpeg("-f", "lavfi", "-i", "color=gray:s=16000x8000:r=25", "-frames:v", "1", "-c:v", "mjpeg", path)
    began = time.perf_counter()
    try:
        read_events(pool, path)
        result = "read"
    except MediaError as error:
        result = f"refused ({error.code})"
    return {"file": "one frame of 16000x8000", "result": f"{result} in {time.perf_counter() - began:.1f} s"}


def single(pool: MediaPool, folder: Path, picture: Path) -> dict[str, str]:
    path = folder / "single.mp4"
    run_ffmpeg("-i", picture, "-frames:v", "1", *H264, path)
    _, _, (report, slots, _) = read_events(pool, path)
    return {"file": "video of one frame", "result": f"{report.decoded_frames} frame in {slots} slot"}
