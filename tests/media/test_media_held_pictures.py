# SPDX-License-Identifier: Apache-2.0
"""Pictures that stand for long cost what the pictures cost, not the time, and keep their places in time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg
from held_pictures import write_gif
from requirements import needs
from tiny_model import tiny_onnx, tiny_spec, write_weights

from cad.media.chunks import chunk_slots
from cad.media.limits import MediaLimits
from cad.media.reader import open_media
from cad.media.ring import SharedBlock, buffers_in
from cad.runtime.held import HeldScores
from cad.runtime.scorer import Scorer
from cad.windows import Window

PEAK_MIB = 850
PEAK = """
import json, sys
from cad import Detector
analysis = Detector().analyse(sys.argv[1])
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024
print(json.dumps({"peak": peak, "slots": analysis.slots, "outcome": analysis.report.outcome}))
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Scorer, list[int]]:
    folder = write_weights(tmp_path / "tiny", tiny_onnx(tiny_spec()), figures={"auc": 0.5})
    scorer, runs, run = Scorer(str(folder)), [], Scorer.run

    def counted(self: Scorer, batch: list[Window]) -> object:
        runs.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(Scorer, "run", counted)
    return scorer, runs


def window(index: int, frames: np.ndarray, level: float = 0.0) -> Window:
    audio = np.full(50 * 640, level, np.float32)
    return Window(25 * index, 0, frames, np.ones(50, bool), audio, np.full(50, level > 0))


def test_a_track_of_hours_of_one_picture_is_scored_once(counting: tuple[Scorer, list[int]]) -> None:
    scorer, runs = counting
    frames = np.broadcast_to(np.uint8([90, 60, 30]), (50, 160, 160, 3))
    windows = [window(index, frames) for index in range(500)]
    scores = list(HeldScores(scorer).score_stream(windows))
    assert sum(runs) == 1
    assert [score.first_slot for score in scores] == [one.first_slot for one in windows]
    (alone,) = scorer.score([windows[7]])
    assert scores[7] == alone


def test_other_sound_or_another_picture_is_scored_anew(counting: tuple[Scorer, list[int]]) -> None:
    scorer, runs = counting
    frames = np.broadcast_to(np.uint8([90, 60, 30]), (50, 160, 160, 3))
    moved = frames.copy()
    moved[20, 5, 5] = 0
    windows = [window(0, frames), window(1, frames, 0.1), window(2, moved), window(3, moved), window(4, frames)]
    scores = list(HeldScores(scorer).score_stream(windows))
    assert sum(runs) == 4  # the last is the first once more; a picture that flickers once is scored as ever
    assert [score.first_slot for score in scores] == [0, 25, 50, 75, 100]
    assert replace(scores[4], first_slot=0) == scores[0]


@pytest.mark.parametrize(("kind", "side_px"), [("gif", 7000), ("gif", 1920), ("mp4", 1920)])
def test_hours_of_empty_time_give_the_slots_of_their_pictures(
    ffmpeg: None, tmp_path: Path, kind: str, side_px: int
) -> None:
    pictures, path = 16, tmp_path / f"empty.{kind}"
    if kind == "gif":
        write_gif(path, side_px, side_px, pictures, delay_cs=65535)
    else:
        source = f"color=gray:s={side_px}x{side_px}:r=1/655:d={655 * pictures}"
        run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", path)
    assert path.stat().st_size < 20_000
    with open_media(path) as reader:
        found = [(chunk.first_slot, len(chunk.present), int(chunk.present.sum())) for chunk in reader.video_chunks()]
    assert reader.info.duration_seconds > 2.5 * 3600
    assert sum(shown for _, _, shown in found) <= 6 * pictures
    assert sum(slots for _, slots, _ in found) <= 60 * pictures
    assert found[-1][0] > 25 * 655 * (pictures - 2)


@pytest.mark.parametrize("suffix", ["webp", "apng"])
def test_an_animation_of_many_pictures_meets_the_limit_of_pixels(ffmpeg: None, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"many.{suffix}"
    form = ("-f", "apng") if suffix == "apng" else ("-c:v", "libwebp_anim", "-lossless", "1")
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=50:d=4", *form, path)
    with open_media(path) as reader:
        assert sum(len(chunk.present) for chunk in reader.video_chunks()) == pytest.approx(100, abs=2)
    with open_media(path, MediaLimits(max_total_pixels=64 * 64 * 100)) as reader:
        assert sum(len(chunk.present) for chunk in reader.video_chunks()) == pytest.approx(50, abs=2)
    assert reader.report.outcome == "too_large" and "pixels in all" in reader.report.text


def test_chunks_and_buffers_are_bounded_in_bytes() -> None:
    for height, width in ((720, 1280), (1080, 1920), (2160, 3840), (2304, 4096), (8000, 8000)):
        frame = 3 * height * width
        assert chunk_slots(height, width) * frame <= max(16_000_000, frame)
        assert buffers_in(200_000_000, frame) * frame <= max(70_000_000, 2 * frame)


def test_what_is_copied_out_of_the_shared_block_is_what_was_in_it() -> None:
    size, offset = 12_345_678, 4_567
    block = SharedBlock(offset + size)
    there = np.frombuffer(block.memory, np.uint8)
    there[:] = np.random.default_rng(0).integers(0, 256, len(there), np.uint8)
    wanted = there.copy()
    for _ in range(2):  # letting go of the memory here loses nothing of it
        target = np.zeros((size // 6, 2, 3), np.uint8)
        block.copy_out(offset, target)
        assert np.array_equal(target.reshape(-1), wanted[offset : offset + target.size])


def face_picture(side_px: int) -> np.ndarray:
    clip = cv2.imread(str(Path(__file__).parents[1] / "golden" / "clips" / "still.jpg"))
    return cv2.resize(clip, (side_px, side_px))


@pytest.mark.slow
@needs("linux")
@pytest.mark.parametrize("name", ["still of 64 megapixels", "film of 4096 x 2304", "empty hours of 7000 x 7000"])
def test_peak_memory_of_an_analysis(ffmpeg: None, tmp_path: Path, name: str) -> None:
    if name.startswith("still"):
        path = tmp_path / "still.jpg"
        cv2.imwrite(str(path), face_picture(8000))
    elif name.startswith("film"):
        path, still = tmp_path / "film.mp4", tmp_path / "still.png"
        cv2.imwrite(str(still), face_picture(2304))
        wide = "pad=4096:2304:896:0"
        run_ffmpeg("-loop", "1", "-i", still, "-t", "2", "-vf", wide, "-c:v", "mpeg4", "-r", "25", path)
    else:
        path = write_gif(tmp_path / "empty.gif", 7000, 7000, 3, delay_cs=65535)
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=False)
    figures = json.loads(done.stdout)
    assert figures["peak"] <= PEAK_MIB, figures
