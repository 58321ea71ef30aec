# SPDX-License-Identifier: Apache-2.0
"""The whole way from a file to a verdict, with a model whose answers can be worked out by hand."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest
from made_media import DARK, RED, NoFaceTracker, stand_in_for_faces, talk, write_video, write_wav

from cad import DetectOptions, Detector, Label
from cad.errors import MediaError, MediaNotFoundError, OptionError


@pytest.fixture
def detector(tiny_weights, monkeypatch):
    stand_in_for_faces(monkeypatch)
    return Detector(DetectOptions(model=str(tiny_weights)))


def codes(verdict):
    return {reason.code for reason in verdict.reasons}


def test_video_with_sound(detector, tmp_path):
    verdict = detector.detect(write_video(tmp_path / "a.mp4", 4.0, RED, talk(4.0)))
    assert verdict.label is Label.FAKE
    assert verdict.streams["video"].probability_fake > 0.9
    assert verdict.streams["sync"].probability_fake < 0.1
    assert verdict.media.kind == "video" and verdict.media.audio_hz == 16_000
    assert (verdict.media.width, verdict.media.height, verdict.media.fps) == (320, 240, 25.0)
    assert verdict.media.coverage == pytest.approx(1.0, abs=0.03)
    assert [(s.start_seconds, s.stop_seconds) for s in verdict.segments if s.stream == "video"] == [(0.0, 4.0)]
    assert verdict.model.name == "tiny" and len(verdict.model.sha256) == 64
    assert {"open", "read", "faces", "score", "total"} <= set(verdict.seconds)


def test_silent_video(detector, tmp_path):
    verdict = detector.detect(write_video(tmp_path / "a.mp4", 3.0, DARK))
    assert verdict.label is Label.REAL
    assert verdict.streams["audio"].probability_fake is None and verdict.streams["audio"].reason
    assert verdict.streams["sync"].probability_fake is None and verdict.streams["sync"].reason
    assert "no_audio" in codes(verdict)


@pytest.mark.parametrize("level", [0.05, 0.5])
def test_sound_alone(detector, tmp_path, level):
    verdict = detector.detect(write_wav(tmp_path / "a.wav", talk(4.0, level)))
    assert verdict.label is (Label.FAKE if level > 0.1 else Label.REAL)
    assert "no_picture" in codes(verdict)
    assert verdict.media.kind == "audio" and verdict.media.width is None


def test_a_still_picture(detector, tmp_path):
    picture = np.full((240, 320, 3), RED, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    analysis = detector.analyse(tmp_path / "a.png")
    assert [score.slots for score in analysis.scores] == [1]
    verdict = detector.detect(tmp_path / "a.png")
    assert verdict.label is Label.FAKE
    assert "still_image" in codes(verdict)
    assert verdict.media.fps is None and verdict.media.width == 320


def test_a_clip_of_a_third_of_a_second_is_too_short(detector, tmp_path):
    verdict = detector.detect(write_video(tmp_path / "a.mp4", 0.3, RED, talk(0.3)))
    assert verdict.label is Label.INCONCLUSIVE
    assert "too_short" in codes(verdict)


def test_no_face(detector, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch, NoFaceTracker)
    verdict = detector.detect(write_video(tmp_path / "a.mp4", 3.0, DARK))
    assert verdict.label is Label.INCONCLUSIVE
    assert "no_face" in codes(verdict)


def test_silence_under_a_video_is_no_evidence(detector, tmp_path):
    analysis = detector.analyse(write_video(tmp_path / "a.mp4", 4.0, DARK, np.zeros(4 * 16_000, np.float32)))
    assert analysis.speech_slots == 0
    assert analysis.clip_logits["audio"] is None


def test_leading_silence_changes_no_number(detector, tmp_path):
    speech = talk(4.0, 0.2)
    plain = detector.analyse(write_wav(tmp_path / "plain.wav", speech))
    for seconds in (0.2, 1.0, 2.04):
        silence = np.zeros(int(seconds * 16_000), np.float32)
        padded = detector.analyse(write_wav(tmp_path / "padded.wav", np.concatenate([silence, speech])))
        assert padded.clip_logits["audio"] == pytest.approx(plain.clip_logits["audio"], abs=1e-4)


def test_green_pictures_are_out_of_sync_and_that_alone_is_no_fake(detector, tmp_path):
    verdict = detector.detect(write_video(tmp_path / "a.mp4", 4.0, (100, 250, 0), talk(4.0, 0.05)))
    assert verdict.label is Label.INCONCLUSIVE
    assert "sync_only" in codes(verdict)


def test_an_analysis_keeps_all_that_tables_need(detector, tmp_path):
    analysis = detector.analyse(write_video(tmp_path / "a.mp4", 4.4, RED, talk(4.4)))
    assert [score.first_slot for score in analysis.scores if score.track_id == 0] == [0, 25, 50, 60]
    assert set(analysis.clip_logits) == {"fused", "video", "audio", "sync"}
    assert analysis.tracks[0].height_px == 240.0
    assert analysis.tracks[0].pictures == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.slots = 3


def test_pictures_are_kept_only_when_asked_for(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    detector = Detector(DetectOptions(model=str(tiny_weights), keep_pictures=True))
    pictures = detector.analyse(write_video(tmp_path / "a.mp4", 12.0, RED)).tracks[0].pictures
    assert 8 <= len(pictures) <= 16
    decoded = cv2.imdecode(np.frombuffer(pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (96, 96, 3) and decoded[..., 2].mean() > 200


def test_progress_is_told_and_ends_at_the_length_of_the_file(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    told = []
    Detector(DetectOptions(model=str(tiny_weights)), told.append).detect(write_video(tmp_path / "a.mp4", 3.0))
    assert [one.done_seconds for one in told] == [1.0, 2.0, 3.0]
    assert told[-1].total_seconds == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.mp4", None), ("empty.mp4", b""), ("text.mp4", b"this is a letter, not a film\n" * 40)],
)
def test_what_is_no_media_raises_a_media_error_with_one_line(detector, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError) as caught:
        detector.detect(tmp_path / name)
    assert caught.value.text and "\n" not in caught.value.text
    assert isinstance(caught.value, MediaNotFoundError) == (content is None)


def test_a_truncated_file_is_judged_on_what_is_left_or_refused_in_words(detector, tmp_path):
    whole = write_video(tmp_path / "whole.mkv", 6.0, RED, talk(6.0)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 7 // 10])
    verdict = detector.detect(tmp_path / "cut.mkv")
    assert verdict.media.coverage < 0.95
    assert codes(verdict) & {"partly_read", "low_coverage"}


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(OptionError, match="threads"):
        DetectOptions(threads=-2)
    with pytest.raises(OptionError, match="auto, cpu, cuda"):
        DetectOptions(device="npu")  # type: ignore[arg-type]


def test_importing_the_package_is_quick_and_light():
    code = (
        "import sys, time; start = time.perf_counter(); import cad; print(time.perf_counter() - start);"
        "print([m for m in ('torch', 'numpy', 'av', 'onnxruntime', 'cv2') if m in sys.modules])"
    )
    seconds, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert float(seconds) < 0.3
    assert loaded == "[]"


def test_detecting_never_imports_torch():
    code = (
        "import sys, cad.cli, cad.detector, cad.report.writers, cad.inputs, cad.media.arrays;"
        "cad.Detector; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_a_batch_keeps_its_decoding_process_and_gives_the_same_numbers(detector, tmp_path):
    files = [write_video(tmp_path / f"{index}.mp4", 2.0, RED, talk(2.0, 0.1, seed=index)) for index in range(3)]
    alone = [detector.analyse(file).clip_logits for file in files]
    with detector:
        together = [detector.analyse(file).clip_logits for file in files]
    assert together == alone
