# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_analysis import face
from tiny_model import tiny_spec

from cad.spec import Calibration, OperatingPoint
from cad.verdict.aggregate import Peak
from cad.verdict.calibrate import PeakProbability, frame_probabilities
from cad.verdict.segments import CANDIDATE_PROBABILITY, candidate_segments, find_segments, hysteresis
from cad.verdict.timeline import smooth, stream_timelines


def line(slots: int = 200, low: float = -4.0, **high: tuple[int, int, float]) -> np.ndarray:
    values = np.full(slots, low)
    for start, stop, value in high.values():
        values[start:stop] = value
    return values


def curves(lines, spec):
    return {stream: frame_probabilities(smooth(one), stream, spec) for stream, one in lines.items()}


def segments(spec=None, **lines):
    spec = spec or tiny_spec()
    return find_segments(curves(lines, spec), spec.operating_points)


def spans(**lines):
    return [(s.start_seconds, s.stop_seconds, s.stream) for s in segments(**lines)]


def test_a_forged_second_is_found_where_it_is():
    ((start, stop, stream),) = spans(audio=line(a=(75, 100, 4.0)))
    assert stream == "audio"
    assert start == pytest.approx(3.0, abs=0.09) and stop == pytest.approx(4.0, abs=0.09)


def test_nothing_suspicious_gives_no_segment():
    assert spans(video=line(), audio=line()) == []
    assert spans(video=np.full(50, np.nan)) == []


def test_a_flicker_is_no_segment_and_a_short_dip_does_not_split_one():
    assert spans(video=line(a=(50, 52, 1.0))) == []
    assert len(spans(video=line(a=(50, 70, 4.0), b=(73, 90, 4.0)))) == 1


def test_stretches_far_apart_stay_apart_in_order_of_time():
    found = spans(video=line(a=(120, 150, 4.0)), audio=line(a=(20, 50, 4.0)))
    assert [stream for _, _, stream in found] == ["audio", "video"]


def test_segments_of_frame_logits_use_their_own_calibration_if_the_model_has_one():
    spec = tiny_spec(calibration={"video": Calibration(), "video_frame": Calibration(1.0, -8.0)})
    assert segments(spec, video=line(a=(50, 90, 4.0))) == ()


def test_the_probability_of_a_segment_is_the_mean_of_its_slots():
    (segment,) = segments(video=line(100, low=2.0))
    assert (segment.start_seconds, segment.stop_seconds) == (0.0, 4.0)
    assert segment.probability_fake == pytest.approx(1 / (1 + np.exp(-2.0)))


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), max_size=80))
def test_smoothing_keeps_what_is_unknown_unknown_and_stays_within_bounds(values):
    values = np.array(values)
    smoothed = smooth(values)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(values))
    if not np.isnan(values).all():
        assert np.nanmin(values) - 1e-9 <= np.nanmin(smoothed) and np.nanmax(smoothed) <= np.nanmax(values) + 1e-9


def test_hysteresis_needs_the_threshold_once():
    assert not hysteresis(np.array([0.5, 0.55, 0.5]), 0.6, 0.48).any()
    assert hysteresis(np.array([0.5, 0.65, 0.5]), 0.6, 0.48).all()


def test_with_several_faces_the_picture_is_of_the_worst_and_synchrony_of_the_best():
    scores = face(0, 100, track=0, video=1.0, sync=1.0) + face(0, 100, track=1, video=3.0, sync=-1.0)
    lines = stream_timelines(scores, 100)
    assert set(lines["video"]) == {3.0} and set(lines["sync"]) == {-1.0}


def test_candidates_are_all_stretches_with_their_probability_also_those_that_are_not_told():
    doubtful = {"audio": line(100, a=(40, 60, 0.2))}
    assert spans(**doubtful) == []
    (one,) = candidate_segments(curves(doubtful, tiny_spec()))
    assert one.start_seconds == pytest.approx(1.6, abs=0.13) and one.stop_seconds == pytest.approx(2.4, abs=0.13)
    assert CANDIDATE_PROBABILITY <= one.probability_fake < 0.6


POINT = OperatingPoint(0.9, 0.8)


def peak(first: int, stop: int, probability: float = 0.95, stream: str = "audio", point: OperatingPoint | None = POINT):
    return PeakProbability(Peak(stream, first, stop, None, 4.0), probability, point)


def test_a_peak_that_the_curve_does_not_show_is_a_segment():
    spec = tiny_spec()
    quiet = curves({"audio": line()}, spec)
    (found,) = find_segments(quiet, spec.operating_points, [peak(50, 100)])
    assert (found.start_seconds, found.stop_seconds, found.stream) == (2.0, 4.0, "audio")
    assert found.probability_fake == 0.95
    assert find_segments(quiet, spec.operating_points, [peak(50, 100, 0.85)]) == ()
    assert find_segments(quiet, spec.operating_points, [peak(50, 100, point=None)]) == ()


def test_a_peak_that_the_curve_shows_is_told_once_and_stands_for_bits_of_itself():
    spec = tiny_spec()
    told = curves({"audio": line(a=(55, 95, 4.0))}, spec)
    assert find_segments(told, spec.operating_points, [peak(50, 100)]) == find_segments(told, spec.operating_points)
    bits = curves({"audio": line(a=(60, 72, 4.0)), "video": line(a=(60, 72, 4.0))}, spec)
    found = find_segments(bits, spec.operating_points, [peak(50, 100)])
    assert [(one.stream, one.stop_seconds - one.start_seconds > 1.9) for one in found] == [
        ("audio", True), ("video", False)
    ]  # fmt: skip
