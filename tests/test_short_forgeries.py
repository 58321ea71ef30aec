# SPDX-License-Identifier: Apache-2.0
"""A forgery of a few seconds in a long file is found, and told when; a long genuine file is none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from made_media import DARK, RATE_HZ, RED, stand_in_for_faces, talk, write_wav
from tiny_model import tiny_onnx, tiny_spec, write_weights

from cad.detector import Detector
from cad.media.arrays import ArraySource
from cad.spec import HEADS, PEAKS, Calibration, OperatingPoint
from cad.verdict.records import Label, Verdict

FORGED = (24.0, 28.0)
SECONDS = 40.0
#: The tiny model takes loudness for forged sound: -1.5 is plainly genuine, 2 plainly forged.
GENUINE_LEVEL, FORGED_LEVEL = 0.0125, 0.1


@pytest.fixture(params=[True, False], ids=["peaks", "no peaks"])
def has_peaks(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def detector(has_peaks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detector:
    stand_in_for_faces(monkeypatch)
    names = (*HEADS, *PEAKS) if has_peaks else HEADS
    calibration = {name: Calibration(2.0, 0.0, 0.3 if name in PEAKS else 0.0) for name in names}
    spec = tiny_spec(calibration=calibration, operating_points=dict.fromkeys(names, OperatingPoint(0.8, 0.5)))
    return Detector(model=str(write_weights(tmp_path / "tiny", tiny_onnx(spec))), threads=1)


def levelled(seconds: float, level: float, seed: int) -> np.ndarray:
    sound = talk(seconds, 0.05, seed)
    return (sound * (level / np.abs(sound).mean())).astype(np.float32)


def long_talk(forged: tuple[float, float] | None) -> np.ndarray:
    start, stop = forged or (SECONDS / 2, SECONDS / 2)
    parts = [(start, GENUINE_LEVEL), (stop - start, FORGED_LEVEL), (SECONDS - stop, GENUINE_LEVEL)]
    return np.concatenate([levelled(length, level, seed) for seed, (length, level) in enumerate(parts) if length])


def told_seconds(verdict: Verdict, code: str) -> tuple[float, float]:
    (text,) = [reason.text for reason in verdict.reasons if reason.code == code]
    start, stop = re.findall(r"([\d.]+) s", text)[:2]
    return float(start), float(stop)


def test_a_forged_sentence_in_a_long_talk_is_found_and_told_when(detector, has_peaks, tmp_path) -> None:
    verdict = detector.detect(write_wav(tmp_path / "talk.wav", long_talk(FORGED)))
    whole = verdict.streams["audio"].probability_fake
    assert whole is not None and whole < 0.5  # the mean over time drowns it
    if not has_peaks:
        assert verdict.label is not Label.FAKE
        return
    assert verdict.label is Label.FAKE
    start, stop = told_seconds(verdict, "audio_peak_evidence")
    assert FORGED[0] - 1 <= start < stop <= FORGED[1] + 1
    assert any(one.stream == "audio" and one.start_seconds < FORGED[1] and one.stop_seconds > FORGED[0]
               for one in verdict.segments)  # fmt: skip


def test_a_long_genuine_talk_is_real(detector, tmp_path) -> None:
    assert detector.detect(write_wav(tmp_path / "talk.wav", long_talk(None))).label is Label.REAL


def test_a_forged_shot_in_a_long_film_is_found_and_told_when(detector, has_peaks) -> None:
    times = np.arange(round(SECONDS * 25)) / 25
    forged = (times >= FORGED[0]) & (times < FORGED[1])
    colours = np.where(forged[:, None], RED, DARK).astype(np.uint8)
    frames = np.broadcast_to(colours[:, None, None], (len(times), 48, 48, 3))
    verdict = detector.detect(ArraySource(frames, times, levelled(SECONDS, GENUINE_LEVEL, 9), RATE_HZ))
    if not has_peaks:
        assert verdict.label is not Label.FAKE
        return
    assert verdict.label is Label.FAKE
    start, stop = told_seconds(verdict, "video_peak_evidence")
    assert FORGED[0] - 1 <= start < stop <= FORGED[1] + 1
