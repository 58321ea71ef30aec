# SPDX-License-Identifier: Apache-2.0
"""The benchmark of synchrony's phase cuts clips as it says, and measures what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.recordings import Recording
from benchmarks.sync_phase import cut_logits, source_summary, spread_of, summary
from benchmarks.sync_sources import from_slot, later, moved

from cad.faces.records import FaceCrops
from cad.media.records import AudioSamples
from cad.spec import Calibration, ModelSpec
from cad.speech import Speech

RATE_HZ = 16_000


def recording(fps: float = 25.0, frames: int = 40, sound_seconds: float = 0.0) -> Recording:
    """Frames that hold their own number, and a sound whose every sample holds its millisecond in hundredths."""
    pictures = [np.full((8, 8, 3), number, np.uint8) for number in range(frames)]
    samples = np.arange(int(frames / fps * RATE_HZ)) / 16 / 10_000
    return Recording(pictures, np.arange(frames) / fps, samples.astype(np.float32), RATE_HZ, sound_seconds)


def numbers(source) -> list[int]:
    return [int(frame[0, 0, 0]) for chunk in source.video_chunks() for frame in chunk.frames]


def first_millisecond(source) -> float:
    return float(source.audio().samples[0]) * 10_000


def test_a_cut_leaves_out_the_same_of_picture_and_sound():
    for cut_seconds, first in ((0.0, 0), (0.008, 1), (0.032, 1), (0.04, 1), (0.041, 2), (0.08, 2)):
        source = recording().cut(cut_seconds)
        assert first_millisecond(source) == pytest.approx(40 * first, abs=0.01), "sound stays with its picture"
        assert numbers(source)[:3] == [first, first + 1, first + 2]


def test_a_tool_that_numbers_frames_anew_lets_the_picture_come_early():
    source = recording().cut(0.032, restarts=True)
    assert first_millisecond(source) == pytest.approx(32, abs=0.01)
    assert numbers(source)[:2] == [1, 2]


def test_sound_that_begins_late_is_where_a_clip_begins():
    clip = recording(sound_seconds=0.05)
    assert clip.begin_seconds == 0.05 and clip.first_frame(0.0) == 2
    assert first_millisecond(clip.cut(0.0)) == pytest.approx(30, abs=0.01)


def test_a_moved_grid_shows_the_nearest_frames_with_their_sound():
    clip = recording(fps=30.0, frames=60)
    for moved_seconds in (0.0, 0.016):
        source = clip.on_grid(moved_seconds)
        assert first_millisecond(source) == pytest.approx(1000 * moved_seconds, abs=0.1)
        wanted = moved_seconds + np.arange(20) / 25
        assert numbers(source)[:20] == np.abs(np.arange(60)[None] / 30 - wanted[:, None]).argmin(axis=1).tolist()
    assert numbers(clip.on_grid(0.0)) != numbers(clip.on_grid(0.016))


class Logits:
    """A detector whose sync logit is the number of the first frame."""

    def __init__(self) -> None:
        self.analysed = 0

    def analyse(self, source):
        self.analysed += 1
        logit = float(numbers(source)[0])
        return type("Analysis", (), {"clip_logits": {"sync": logit}})()


def test_cuts_that_give_the_same_are_analysed_once():
    detector = Logits()
    assert cut_logits(detector, recording()) == [0.0, 1.0, 2.0] and detector.analysed == 3
    assert cut_logits(Logits(), recording(fps=50.0)) == [0.0, 1.0, 2.0, 4.0]


def test_a_spread_is_also_told_where_a_logit_counts_most():
    spec = ModelSpec("toy", 50, 10, {"sync": Calibration(2.0, -6.0)}, {})
    sure = spread_of([-1.0, -0.5], spec)
    assert sure["logit"] == 0.5 and sure["probability"] < 0.001
    # From a quarter below the middle of the curve (a logit of 3) to a quarter above it.
    middle = 1 / (1 + math.exp(-0.5)) - 1 / (1 + math.exp(0.5))
    assert sure["at_most"] == pytest.approx(middle, abs=1e-4)
    assert spread_of([2.75, 3.25], spec)["probability"] == pytest.approx(middle, abs=1e-4)
    assert summary([sure])["within_bar"] is False and summary([{**sure, "at_most": 0.05}])["within_bar"] is True


def test_sources_that_were_not_measured_are_left_out_of_the_mean():
    assert source_summary([{"sound": 0.1}, {"sound": math.nan, "windows": 0.2}, {}]) == {
        "sound": {"clips": 1, "mean": 0.1, "max": 0.1},
        "windows": {"clips": 1, "mean": 0.2, "max": 0.2},
    }


def test_a_moved_sound_keeps_its_slots_of_speech():
    sound = AudioSamples(np.arange(3 * 640, dtype=np.float32) / 2000, np.ones(3, bool))
    speech = Speech.of_audio(AudioSamples(sound.samples, np.array([False, True, True])))
    samples, present = moved(speech, sound, 0.01).cut(0, 3)
    assert present.tolist() == [False, True, True]
    np.testing.assert_array_equal(samples[640:], sound.samples[640 - 160 : -160])
    assert later(np.float32([1, 2, 3]), -2).tolist() == [3, 0, 0]


def test_crops_from_a_slot_on():
    def crops(first: int) -> FaceCrops:
        pictures = np.zeros((10, 160, 160, 3), np.uint8)
        pictures[:, 0, 0, 0] = np.arange(first, first + 10)
        boxes, points = np.zeros((10, 4), np.float32), np.zeros((10, 5, 2), np.float32)
        return FaceCrops(0, first, pictures, np.ones(10, bool), boxes, points, np.ones(10, np.float32))

    kept = from_slot([crops(0), crops(10), crops(20)], 13)
    assert [one.first_slot for one in kept] == [13, 20]
    assert [int(one.crops[0, 0, 0, 0]) for one in kept] == [13, 20] and len(kept[0].present) == 7
