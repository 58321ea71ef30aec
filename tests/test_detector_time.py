# SPDX-License-Identifier: Apache-2.0
"""Evidence before the other stream begins, and behind a joint, is judged, and told at its own time."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg
from made_media import DARK, RED, stand_in_for_faces, talk, write_video
from requirements import require

from cad import DetectOptions, Detector, Label


@pytest.fixture
def detector(tiny_weights, monkeypatch):
    require("ffmpeg")
    stand_in_for_faces(monkeypatch)
    return Detector(DetectOptions(model=str(tiny_weights)))


def video_segments(verdict):
    return [(part.start_seconds, part.stop_seconds) for part in verdict.segments if part.stream == "video"]


@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_a_forged_picture_before_the_sound_begins(detector, tmp_path, container):
    picture = write_video(tmp_path / f"p.{container}", 3.0, RED)
    sound = write_video(tmp_path / f"s.{container}", 6.0, DARK, talk(6.0))
    path = tmp_path / f"late.{container}"
    run_ffmpeg("-i", picture, "-itsoffset", "3.3", "-i", sound, "-map", "0:v", "-map", "1:a", "-c", "copy", path)
    verdict = detector.detect(path)
    assert verdict.label is Label.FAKE
    assert video_segments(verdict) == [(0.0, 3.0)]
    assert verdict.media.coverage == 1.0
    assert 9.2 < verdict.media.duration_seconds < 9.5


def test_a_forged_part_behind_a_joint(detector, tmp_path):
    parts = [
        write_video(tmp_path / "genuine.ts", 4.0, DARK, talk(4.0)),
        write_video(tmp_path / "forged.ts", 4.0, RED, talk(4.0)),
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    analysis = detector.analyse(path)
    (joint,) = analysis.info.joint_slots
    assert 100 <= joint <= 106
    for score in analysis.scores:
        assert score.first_slot + score.slots <= joint or score.first_slot >= joint, "no window reaches across"
    verdict = detector.detect(path)
    ((start, stop),) = video_segments(verdict)
    assert start == pytest.approx(joint / 25, abs=0.1) and stop == pytest.approx(joint / 25 + 4, abs=0.1)
    assert "jump" in analysis.report.text


def test_the_files_own_time_of_second_zero_is_told(detector, tmp_path):
    plain = write_video(tmp_path / "a.mp4", 3.0, DARK, talk(3.0))
    path = tmp_path / "later.ts"
    run_ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", "600", path)
    media = detector.detect(path).media
    assert 600 < media.start_seconds < 603
    assert detector.detect(plain).media.start_seconds == pytest.approx(0.0, abs=0.1)
    assert np.isclose(media.duration_seconds, 3.0, atol=0.2)
