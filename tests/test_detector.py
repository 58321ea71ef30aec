# SPDX-License-Identifier: Apache-2.0
"""The whole way from a file to a verdict, with a model whose answers can be worked out by hand."""

from __future__ import annotations

import dataclasses
import gc
import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_media import DARK, RED, NoFaceTracker, stand_in_for_faces, talk, write_video, write_wav
from tiny_model import tiny_onnx, tiny_spec, write_weights

import cad
from cad import ArraySource, DetectOptions, Detector, Label, OperatingPoint
from cad.errors import MediaError, MediaNotFoundError, OptionError, SpecMismatchError

ROOT = Path(__file__).resolve().parent.parent


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
    assert analysis.pictures == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.slots = 3


def test_pictures_are_kept_only_when_asked_for(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    detector = Detector(DetectOptions(model=str(tiny_weights), keep_pictures=True))
    pictures = detector.analyse(write_video(tmp_path / "a.mp4", 12.0, RED)).pictures[0]
    assert 8 <= len(pictures) <= 16
    decoded = cv2.imdecode(np.frombuffer(pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (96, 96, 3) and decoded[..., 2].mean() > 200


def test_progress_is_told_and_ends_at_the_length_of_the_file(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    told = []
    Detector(DetectOptions(model=str(tiny_weights)), told.append).detect(write_video(tmp_path / "a.mp4", 3.0))
    assert [one.stage for one in told] == ["read", "picture", "picture", "picture"]
    assert [one.done_seconds for one in told] == [0.0, 1.0, 2.0, 3.0]
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


def test_options_by_name_stand_above_the_record(tiny_weights, monkeypatch):
    stand_in_for_faces(monkeypatch)
    detector = Detector(DetectOptions(model="no such weights", threads=2), model=str(tiny_weights), device="cpu")
    assert (detector.model.name, detector.options.threads) == ("tiny", 2)
    with pytest.raises(OptionError, match="no option speed; there are model, device"):
        Detector(speed=3)


def test_an_operating_point_of_ones_own_moves_the_label_and_is_told(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    clip = write_video(tmp_path / "a.mp4", 3.0, RED)
    point = OperatingPoint(0.999, 0.5)
    verdict = Detector(model=str(tiny_weights), operating_point=point).detect(clip)
    assert verdict.label is Label.INCONCLUSIVE and codes(verdict) >= {"between_thresholds"}
    assert set(verdict.operating_points.values()) == {point}
    with pytest.raises(OptionError, match="must not be below"):
        DetectOptions(operating_point=OperatingPoint(0.2, 0.5))


def test_a_verdict_names_the_nets_the_versions_and_the_thresholds(tmp_path):
    verdict = Detector().detect(ROOT / "tests" / "data" / "astronaut.jpg")
    assert len(verdict.nets) == 4 and all(len(sha256) == 64 for sha256 in verdict.nets.values())
    assert verdict.nets[verdict.model.name] == verdict.model.sha256
    assert {"numpy", "av"} <= set(verdict.versions)
    assert set(verdict.operating_points) == {"fused", "video", "audio", "sync"}


def test_a_batch_gives_results_in_order_and_a_fault_in_one_is_its_row(detector, tmp_path, monkeypatch):
    files = [write_video(tmp_path / f"{index}.mp4", 2.0, RED, talk(2.0, 0.1, seed=index)) for index in range(4)]
    files.insert(2, tmp_path / "missing.mp4")
    real = detector._scorer.score_stream

    def fail_once(windows):
        if broken:
            broken.pop()
            raise ZeroDivisionError("a fault of ours")
        return real(windows)

    alone = list(detector.detect_many(files))
    assert [result.path for result in alone] == [str(file) for file in files]
    assert [result.error.code if result.error else "" for result in alone] == ["", "", "not_found", "", ""]
    together = list(detector.detect_many(files, jobs=2))
    assert [result.to_dict().get("probability_fake") for result in together] == [
        result.to_dict().get("probability_fake") for result in alone
    ]
    broken = [1]
    monkeypatch.setattr(detector._scorer, "score_stream", fail_once)
    first, *others = detector.detect_many(files[:2])
    assert first.error.code == "internal" and "ZeroDivisionError" in first.error.text
    assert [result.error for result in others] == [None]


def test_what_has_no_path_has_one_name_whether_it_can_be_read_or_not(detector, tmp_path):
    content = write_wav(tmp_path / "a.wav", talk(1.0)).read_bytes()
    clips = [content, content[:20], io.BytesIO(content), io.BytesIO(b"no media")]
    assert [result.path for result in detector.detect_many(clips)] == ["<bytes>", "<bytes>", "<stream>", "<stream>"]


def test_a_batch_takes_its_files_as_it_needs_them_and_ends_when_it_is_closed(detector, tmp_path):
    clip = write_video(tmp_path / "a.mp4", 2.0, RED)
    taken = []

    def files():
        for index in range(100):
            taken.append(index)
            yield clip

    before = threading.active_count()
    results = detector.detect_many(files(), jobs=2)
    next(results)
    results.close()
    assert len(taken) <= 5
    assert threading.active_count() == before
    with pytest.raises(OptionError, match="jobs"):
        detector.detect_many([], jobs=0)


def test_an_exception_of_the_progress_callback_cancels_and_the_next_file_goes_on(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    clip = write_video(tmp_path / "a.mp4", 5.0, RED)

    def stop_after_two(progress):
        if progress.done_seconds >= 2.0:
            raise InterruptedError

    with Detector(progress=stop_after_two, model=str(tiny_weights)) as detector:
        with pytest.raises(InterruptedError):
            detector.detect(clip)
        assert detector.detect(write_video(tmp_path / "b.mp4", 1.0, RED)).label is Label.FAKE


def test_four_threads_give_the_verdicts_of_one(detector, tmp_path):
    files = [write_video(tmp_path / f"{index}.mp4", 2.0, RED, talk(2.0, 0.1, seed=index)) for index in range(4)]
    alone = [detector.analyse(file).clip_logits for file in files]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda file: detector.analyse(file).clip_logits, files)) == alone


def test_a_closed_detector_says_so_and_leaves_no_process(detector, tmp_path):
    clip = write_video(tmp_path / "a.mp4", 1.0, RED)
    detector.detect(clip)
    before = children_of_this_process()
    detector.close()
    detector.close()
    assert len(before - children_of_this_process()) == 1
    with pytest.raises(OptionError, match="closed"):
        detector.detect(clip)
    with pytest.raises(OptionError, match="closed"):
        detector.detect_many([clip])


def test_a_detector_that_is_let_go_takes_its_processes_along(tiny_weights, tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    others = children_of_this_process()
    Detector(model=str(tiny_weights)).detect(write_video(tmp_path / "a.mp4", 1.0, RED))
    gc.collect()
    assert not children_of_this_process() - others


def test_frames_and_samples_already_decoded_give_the_verdict_of_the_file(detector, tmp_path):
    clip = write_video(tmp_path / "a.mkv", 3.0, RED, talk(3.0))
    with cad.open_media(clip) as reader:
        sound = reader.audio()
        frames = np.concatenate([chunk.frames.copy() for chunk in reader.video_chunks()])
    source = ArraySource(frames, np.arange(len(frames)) / 25, sound.samples, 16_000, name="the clip")
    verdict, of_file = detector.detect(source), detector.detect(clip)
    assert verdict.path == "the clip"
    assert verdict.label is of_file.label
    assert verdict.probability_fake == pytest.approx(of_file.probability_fake, abs=1e-3)


def test_progress_is_told_for_sound_alone_too(tiny_weights, tmp_path):
    told = []
    detector = Detector(progress=told.append, model=str(tiny_weights))
    detector.detect(write_wav(tmp_path / "a.wav", talk(20.0)))
    assert {one.stage for one in told} == {"read", "sound"}
    done = [one.done_seconds for one in told]
    assert done == sorted(done) and len(done) > 10 and done[-1] == pytest.approx(20.0, abs=0.1)


def test_a_model_on_another_clock_is_refused(tmp_path):
    for change, says in (({"frame_rate_hz": 30}, "frame_rate_hz is 30"), ({"crop_size_px": 224}, "crop_size_px is 224"),
                         ({"hop_frames": 0}, "hop_frames 0")):  # fmt: skip
        folder = write_weights(tmp_path / says.split()[0], tiny_onnx(tiny_spec(**change)))
        with pytest.raises(SpecMismatchError, match=says):
            Detector(model=str(folder))


def test_window_and_hop_are_the_models(tmp_path, monkeypatch):
    stand_in_for_faces(monkeypatch)
    folder = write_weights(tmp_path / "short", tiny_onnx(tiny_spec(window_frames=30, hop_frames=10)))
    analysis = Detector(model=str(folder)).analyse(write_video(tmp_path / "a.mp4", 2.0, RED))
    assert [(score.first_slot, score.slots) for score in analysis.scores] == [(0, 30), (10, 30), (20, 30)]


def children_of_this_process() -> set[str]:
    return {child for file in Path("/proc/self/task").glob("*/children") for child in file.read_text().split()}


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
        "import sys, cad, cad.cli, cad.detector, cad.report.writers, cad.inputs;"
        "[getattr(cad, name) for name in cad.__all__]; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_a_batch_keeps_its_decoding_process_and_gives_the_same_numbers(detector, tmp_path):
    files = [write_video(tmp_path / f"{index}.mp4", 2.0, RED, talk(2.0, 0.1, seed=index)) for index in range(3)]
    alone = [detector.analyse(file).clip_logits for file in files]
    with detector:
        together = [detector.analyse(file).clip_logits for file in files]
    assert together == alone
