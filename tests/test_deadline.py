# SPDX-License-Identifier: Apache-2.0
"""The limit of time holds for the whole file: whatever stage is slow, it ends within a fifth more than it may take."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.media_clips import run_ffmpeg
from held_pictures import write_gif
from made_media import DARK, RED, NoFaceTracker, WholePictureTracker, stand_in_for_faces, talk, write_video, write_wav
from requirements import require

import cad.media.input as input_module
from cad import ArraySource, DetectOptions, Detector, Label, MediaLimits, MediaTimeoutError
from cad.faces.net import FaceNet
from cad.media.process import WorkerProcess
from cad.media.reader import open_media
from cad.runtime.scorer import Scorer
from cad.speech_net import speech_net

#: What a file may take here, and how much longer it may be until the answer is there.
WALL_SECONDS, GRACE = 2.0, 1.2


@pytest.fixture
def detector(tiny_weights):
    with Detector(DetectOptions(model=str(tiny_weights), limits=MediaLimits(wall_seconds=WALL_SECONDS))) as found:
        yield found


@pytest.fixture
def no_faces(monkeypatch):
    stand_in_for_faces(monkeypatch, NoFaceTracker)


class Clock:
    """Stands still but while a stage is slow, so that a busy machine changes nothing."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds

    def slowed(self, function, seconds):
        """Return ``function``, taking so long."""

        def slow(*arguments, **named):
            self.seconds += seconds
            return function(*arguments, **named)

        return slow

    def within_time(self, work):
        """Return what ``work`` gives or the MediaTimeoutError that it ends with, after a look at the clock."""
        began = self.monotonic()
        try:
            return work()
        except MediaTimeoutError as error:
            return error
        finally:
            assert self.monotonic() - began < GRACE * WALL_SECONDS


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr("cad.deadline.time", found)
    return found


@pytest.fixture
def slow_faces(monkeypatch, clock):
    """A tracker that takes a fifth of a second for a second of picture."""

    class SlowTracker(WholePictureTracker):
        push = clock.slowed(WholePictureTracker.push, 0.2)

    stand_in_for_faces(monkeypatch, SlowTracker)


def assert_partly_judged(analysis):
    assert analysis.scores and analysis.report.outcome == "timeout" and analysis.report.coverage < 1.0
    text = analysis.report.text
    assert "took longer than the 2 s" in text and ("was judged up to" in text or "reading stopped at" in text)


def test_slow_faces(slow_faces, detector, tmp_path, clock):
    path = write_video(tmp_path / "a.mp4", 30.0, DARK, talk(30.0))
    analysis = clock.within_time(lambda: detector.analyse(path))
    assert_partly_judged(analysis)
    assert analysis.slots > 50 and analysis.report.coverage < 0.5


def test_what_was_judged_may_be_fake_but_never_real(monkeypatch, slow_faces, detector, tmp_path, clock):
    seconds = 11.0  # of which more than half come through
    for colour, label in ((DARK, Label.INCONCLUSIVE), (RED, Label.FAKE)):
        path = write_video(tmp_path / "a.mp4", seconds, colour)
        verdict = clock.within_time(lambda path=path: detector.detect(path))
        assert verdict.label is label, verdict
        assert verdict.media.outcome == "timeout"
        assert "read_stopped" in {reason.code for reason in verdict.reasons}


def test_a_slow_look_for_faces_in_one_large_picture(monkeypatch, detector, clock):
    # Hundreds of looks at one picture: it is stopped between two of them, and nothing is known of the picture.
    monkeypatch.setattr(FaceNet, "detect", clock.slowed(FaceNet.detect, 0.2))
    noise = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), dtype=np.uint8)
    error = clock.within_time(lambda: detector.analyse(ArraySource(noise[None])))
    assert isinstance(error, MediaTimeoutError) and error.code == "timeout"


def test_a_slow_net(monkeypatch, detector, tmp_path, clock):
    stand_in_for_faces(monkeypatch)
    monkeypatch.setattr(Scorer, "run", clock.slowed(Scorer.run, 0.2))
    path = write_video(tmp_path / "a.mp4", 30.0, DARK, talk(30.0))
    with Detector(detector.options) as quick:
        assert_partly_judged(clock.within_time(lambda: quick.analyse(path)))


def test_a_slow_net_over_sound_alone(monkeypatch, no_faces, detector, tmp_path, clock):
    monkeypatch.setattr(Scorer, "run", clock.slowed(Scorer.run, 0.3))
    path = write_wav(tmp_path / "a.wav", talk(60.0))
    analysis = clock.within_time(lambda: detector.analyse(path))
    assert_partly_judged(analysis)
    assert "its sound was judged up to" in analysis.report.text


def test_a_slow_speech_net(monkeypatch, no_faces, detector, tmp_path, clock):
    class Slow:
        run = staticmethod(clock.slowed(speech_net()._session.run, 0.005))

    monkeypatch.setattr(speech_net(), "_session", Slow)
    path = write_wav(tmp_path / "a.wav", talk(60.0))
    assert isinstance(clock.within_time(lambda: detector.analyse(path)), MediaTimeoutError)


def test_a_slow_stream(no_faces, detector, clock):
    class Slow(io.BytesIO):
        def read(self, size=-1):
            clock.seconds += 0.1
            return bytes(100)

    error = clock.within_time(lambda: detector.analyse(Slow()))
    assert isinstance(error, MediaTimeoutError) and "took longer than the 2 s" in error.text


def test_slow_hashing_costs_the_hash_alone(monkeypatch, no_faces, detector, tmp_path, clock):
    def slow(fd, stop, digests):
        with os.fdopen(fd):
            stop.wait(60)

    monkeypatch.setattr(input_module, "_hash_file", slow)
    path = write_wav(tmp_path / "a.wav", talk(4.0))
    analysis = clock.within_time(lambda: detector.analyse(path))
    assert analysis.scores and analysis.info.sha256 == ""


def test_slow_frames_of_the_caller(monkeypatch, tiny_weights, clock):
    stand_in_for_faces(monkeypatch)

    def frames():
        for index in range(1000):
            clock.seconds += 0.004
            yield index / 25, np.full((64, 64, 3), 20, np.uint8)

    options = DetectOptions(model=str(tiny_weights), limits=MediaLimits(wall_seconds=WALL_SECONDS))
    with Detector(options) as detector:
        assert_partly_judged(clock.within_time(lambda: detector.analyse(ArraySource(frames()))))


def test_a_later_picture_has_no_turn_any_more(slow_faces, detector, tmp_path, clock):
    require("ffmpeg")
    one = write_video(tmp_path / "one.mkv", 12.0, DARK, talk(12.0))
    path = tmp_path / "two.mkv"
    run_ffmpeg("-i", one, "-i", one, "-map", "0:v", "-map", "1:v", "-map", "0:a", "-c", "copy", path)
    verdict = clock.within_time(lambda: detector.detect(path))
    assert verdict.label is Label.INCONCLUSIVE and verdict.media.outcome == "timeout"
    told = [reason.text for reason in verdict.reasons if reason.code == "tracks_left_out"]
    assert told and "the time that a file may take was over" in told[0]


def test_every_file_of_a_batch_has_its_own_time(slow_faces, detector, tmp_path):
    slow = write_video(tmp_path / "slow.mp4", 30.0, RED)
    short = write_video(tmp_path / "short.mp4", 3.0, RED)
    results = list(detector.detect_many([slow, short, slow, short]))
    assert [one.verdict.media.outcome for one in results] == ["timeout", "no_audio"] * 2
    results = list(detector.detect_many([slow, slow, slow], jobs=2))
    # Here two files share the clock, so that of one nothing may be known.
    assert [one.verdict.media.outcome if one.verdict else one.error.code for one in results] == ["timeout"] * 3


def test_the_decoding_process_is_told_what_is_left(monkeypatch, tmp_path, clock):
    # Its alarm rings even if nobody is there any more to stop it.
    told, send = [], WorkerProcess.send

    def noted(self, message, fd=None):
        told.append(message)
        send(self, message, fd)

    monkeypatch.setattr(WorkerProcess, "send", noted)
    with open_media(write_video(tmp_path / "plain.mp4", 2.0), MediaLimits(wall_seconds=100.0)) as reader:
        clock.seconds += 30
        assert len(list(reader.video_chunks())) == 2
    assert [message["left_seconds"] for message in told] == [100, 70]


@pytest.mark.parametrize("side_px", [1920, 7000])
def test_large_pictures_over_hours_of_empty_time(tmp_path, side_px):
    path = write_gif(tmp_path / "empty.gif", side_px, side_px, pictures=60, delay_cs=65535 // 4)
    assert path.stat().st_size < 2000
    with Detector(limits=MediaLimits(wall_seconds=WALL_SECONDS)) as detector:
        began = time.monotonic()
        try:
            found = detector.analyse(path)
        except MediaTimeoutError as error:
            found = error
        assert time.monotonic() - began < GRACE * WALL_SECONDS
    assert isinstance(found, MediaTimeoutError) or found.report.outcome == "timeout"


def test_the_command_takes_it_as_timeout(tmp_path):
    path = write_gif(tmp_path / "empty.gif", 7000, 7000, pictures=60, delay_cs=65535 // 4)
    command = [sys.executable, "-m", "cad.cli", "--json", "--timeout", "0.5", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    result = json.loads(done.stdout)
    assert "took longer than the 0.5 s that a file may take" in str(result)
