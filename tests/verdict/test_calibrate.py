# SPDX-License-Identifier: Apache-2.0
"""Peaks and several faces are judged for how many there were, by numbers that travel in the spec."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_analysis import analysis, face, score, track
from tiny_model import tiny_spec

from cad.media.records import MediaKind
from cad.spec import HEADS, Calibration, ModelSpec, OperatingPoint, with_operating_point
from cad.verdict.calibrate import calibrate, expected_rise, probability
from cad.verdict.judge import judge
from cad.windows import window_spans

POINT = OperatingPoint(0.9, 0.8)


def spec_with_peaks(**changes) -> ModelSpec:
    spec = tiny_spec()
    calibration = {
        **spec.calibration,
        "video": Calibration(growth=0.5),
        "video_peak": Calibration(growth=0.2),
        "audio_peak": Calibration(growth=0.2),
    }
    points = {**spec.operating_points, "video_peak": POINT, "audio_peak": POINT}
    return replace(spec, **{"calibration": calibration, "operating_points": points, **changes})


def voice(slots: int, forged: tuple[int, int] | None = None, logit: float = 4.0):
    first, stop = forged or (0, 0)
    scores = [
        score(start, end - start, track=None, audio=logit if first <= start and end <= stop else -3.0)
        for start, end in window_spans(0, slots, 50, 25)
    ]
    return analysis(scores, [], slots, MediaKind.AUDIO, speech_slots=slots)


def stills(count: int, worst: float):
    scores = [score(0, 1, track=one, video=worst if one == 0 else -1.0, has_audio=False) for one in range(count)]
    tracks = [track(one, 0, 1) for one in range(count)]
    return analysis(scores, tracks, 1, MediaKind.IMAGE, speech_slots=None)


def test_the_same_stretch_counts_for_less_in_a_longer_file():
    found = [calibrate(voice(slots, (200, 300)), spec_with_peaks()).peaks[0] for slots in (500, 1500, 15000)]
    assert all(one.peak.logit == pytest.approx(4.0) and one.point == POINT for one in found)
    assert found[0].probability > found[1].probability > found[2].probability > 0.5


def test_of_all_lengths_the_one_that_stands_out_most_is_told():
    spec = spec_with_peaks()
    lengths = []
    for growth in (0.0, 1.0):
        numbers = {**spec.calibration, "audio_peak": Calibration(growth=growth)}
        (one,) = calibrate(voice(1500, (200, 400), 3.0), replace(spec, calibration=numbers)).peaks
        lengths.append(one.peak.stop_slot - one.peak.first_slot)
    # Its edges are a little lower, but there are many more places for 50 slots than for 200.
    assert lengths == [50, 200]


def test_a_model_without_numbers_for_peaks_has_peaks_that_decide_nothing():
    (one,) = calibrate(voice(500, (200, 300)), tiny_spec()).peaks
    assert one.point is None
    assert set(calibrate(voice(500, (200, 300)), tiny_spec()).points) == set(HEADS)


def test_the_worst_of_eight_faces_is_no_eight_chances():
    spec = spec_with_peaks()
    one, eight = calibrate(stills(1, 1.0), spec), calibrate(stills(8, 1.0), spec)
    assert one.probabilities["video"] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert eight.probabilities["video"] == pytest.approx(1 / (1 + np.exp(-(1.0 - 0.5 * np.log(8)))))
    # The face itself says the same as the file, so that no face is over a threshold that the file is under.
    assert eight.faces[0].own == pytest.approx(eight.probabilities["video"])
    assert judge(stills(1, 1.0), spec).label.value == "fake" and judge(stills(8, 1.0), spec).label.value != "fake"


def test_the_highest_of_n_exponential_tails_keeps_its_rate_at_any_n(rng):
    draws = rng.exponential(0.5, (20_000, 8))
    spec = tiny_spec(calibration={"video": Calibration(growth=0.5)})
    rates = [
        float(np.mean(draws[:, :count].max(axis=1) - expected_rise("video", count, spec) > 1.5)) for count in (1, 4, 8)
    ]
    assert rates == pytest.approx([np.exp(-3.0)] * 3, rel=0.12)


def test_listeners_and_several_who_speak_are_judged_for_their_number():
    spec = spec_with_peaks()
    scores = face(0, 100, track=0, sync=-3.0) + face(0, 100, track=1, sync=4.0, video=1.0)
    found = calibrate(analysis(scores, [track(0), track(1)]), spec)
    assert found.listeners == pytest.approx(probability(1.0, "video", spec, 2.0))
    assert found.listeners < probability(1.0, "video", spec)


def test_growth_travels_in_the_spec_and_an_older_one_has_none():
    spec = spec_with_peaks()
    assert ModelSpec.from_json(spec.to_json()) == spec
    old = json.loads(tiny_spec().to_json())
    for value in old["calibration"].values():
        del value["growth"]
    assert ModelSpec.from_json(json.dumps(old)) == tiny_spec()


def test_thresholds_of_ones_own_hold_for_peaks_that_were_calibrated():
    point = OperatingPoint(0.95, 0.5)
    assert set(with_operating_point(spec_with_peaks(), point).operating_points) == {*HEADS, "video_peak", "audio_peak"}
    assert set(with_operating_point(tiny_spec(), point).operating_points) == set(HEADS)


def test_a_peak_over_its_threshold_is_a_segment_with_its_time():
    # Frame logits are low throughout: only the stretch is over.
    quiet = {"audio_frame": Calibration(1.0, -9.0)}
    spec = spec_with_peaks()
    spec = replace(spec, calibration={**spec.calibration, **quiet})
    (segment,) = judge(voice(750, (300, 400), 5.0), spec).segments
    assert segment.stream == "audio" and segment.probability_fake >= POINT.fake_threshold
    assert 12.0 <= segment.start_seconds < segment.stop_seconds <= 16.0
    assert judge(voice(750, (300, 400), 2.0), spec).segments == ()
