# SPDX-License-Identifier: Apache-2.0
"""Numbers for peaks and several faces, fitted on clips whose logits are drawn: voices apart, windows around a voice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_analysis import analysis, face, score
from tiny_model import tiny_spec

from cad.errors import DataError
from cad.evaluation.calibration.clips import AnalysedPart, CalibrationClips
from cad.evaluation.calibration.long_files import ClipLine, clip_lines, joined_lines, known_line, spliced_lines
from cad.evaluation.calibration.peaks import DURATIONS_SECONDS, called_by_mean, face_growth, fit_peaks
from cad.spec import Calibration, ModelSpec, OperatingPoint
from cad.verdict.aggregate import find_peaks
from cad.verdict.calibrate import platt
from cad.verdict.timeline import Line
from cad.windows import window_spans

SPEC: ModelSpec = tiny_spec(operating_points={"audio": OperatingPoint(0.95, 0.3)})


def drawn(rng: np.random.Generator, voices: int, clips: int, level: float = 0.0, sources: int = 10) -> list[ClipLine]:
    made = []
    for voice in range(voices):
        own = level + rng.normal(0, 0.8)
        for _ in range(clips):
            windows = own + rng.normal(0, 0.5, 3)
            made.append(ClipLine(f"source {voice % sources}", f"voice {voice}", np.repeat(windows, 25)))
    return made


@pytest.fixture
def fitted(rng):
    genuine, forged = drawn(rng, 60, 8), drawn(rng, 100, 1, level=3.0)
    return genuine, forged, fit_peaks("audio", genuine, forged, SPEC, 0.05, "drawn")


def test_genuine_files_of_any_length_keep_the_rate_and_forged_clips_are_found(fitted):
    genuine, _, (calibration, point, figures) = fitted
    rates = figures["genuine_called_fake_by_mean_or_peak"]
    assert set(rates) == {f"{seconds} s" for seconds in DURATIONS_SECONDS}
    assert all(rate <= 0.05 + 1e-9 for rate in rates.values()) and max(rates.values()) > 0.02
    assert figures["forged_clip_in_genuine_talk_called_fake_where_it_is"]["60 s"] > 0.3
    assert figures["forged_clip_in_genuine_talk_called_fake_by_mean"]["60 s"] < 0.05
    assert calibration.growth > 0 and point.real_threshold <= point.fake_threshold
    assert point.chosen_on == "drawn"
    # Other files of the same voices keep it, too.
    rng = np.random.default_rng(7)
    for seconds in (20, 300):
        lines = joined_lines(genuine, seconds * 25, 200, rng)
        own = np.array(
            [
                max(
                    one.logit - calibration.growth * np.log(one.chances)
                    for one in find_peaks("audio", {None: Line(0, line)}, len(line))
                )
                for line in lines
            ]
        )
        called = (platt(own, calibration) >= point.fake_threshold) | called_by_mean("audio", lines, SPEC)
        assert called.mean() <= 0.09


def test_peaks_of_too_few_clips_are_not_fitted(rng):
    with pytest.raises(DataError, match="20 clips of each class; there are 3 forged and 40 genuine"):
        fit_peaks("audio", drawn(rng, 10, 4), drawn(rng, 3, 1), SPEC, 0.05, "")


def test_files_are_joined_from_one_source_before_others_voice_by_voice(rng):
    clips = [
        ClipLine("a", "one", np.full(60, 1.0)), ClipLine("a", "two", np.full(60, 2.0)),
        ClipLine("a", "one", np.full(60, 1.0)), ClipLine("b", "three", np.full(60, 3.0)),
    ]  # fmt: skip
    first = set()
    for line in joined_lines(clips, 180, 40, rng):
        assert len(line) == 180
        order = line[::60].tolist()
        first.add(order[0])
        if order[0] == 3.0:
            assert order in ([3.0, 1.0, 1.0], [3.0, 2.0, 1.0])
        else:
            assert order in ([1.0, 1.0, 2.0], [2.0, 1.0, 1.0])
    assert first == {1.0, 2.0, 3.0}
    # What all clips together do not fill comes again.
    assert len(joined_lines(clips, 1000, 1, rng)[0]) == 1000
    (spliced,) = spliced_lines(clips, [ClipLine("b", "three", np.full(30, 9.0))], 50, rng)
    assert len(spliced.line) == 80 and set(spliced.line) == {3.0, 9.0}
    assert np.flatnonzero(spliced.line == 9.0).tolist() == list(range(spliced.first_slot, spliced.stop_slot))


def test_lines_are_of_what_is_known_of_the_right_stream_and_class():
    heard = np.arange(50) >= 20
    speech = analysis([score(0, track=None, audio=2.0, audio_present=heard)], [], 50)
    both = analysis(face(0, 100, track=0, video=1.0) + face(0, 60, track=1, video=5.0))
    assert known_line(speech, "audio").tolist() == [2.0] * 30 and len(known_line(speech, "video")) == 0
    assert known_line(both, "video").tolist() == [1.0] * 100
    rows = pd.DataFrame({
        "path": ["a.wav", "b.mp4", "c.mp4", "d.mp4"], "label": [0, 1, 1, 0], "video_fake": [-1, 1, 0, -1],
        "audio_fake": [-1, 0, -1, -1], "source": "s", "identity": ["", "b", "c", "d"],
    })  # fmt: skip
    found = [speech, both, both, "undecodable"]
    assert [one.identity for one in clip_lines(rows, found, "audio", 0)] == ["a.wav", "b"]
    assert [one.identity for one in clip_lines(rows, found, "audio", 1)] == []
    assert [one.identity for one in clip_lines(rows, found, "video", 1)] == ["b"]
    assert [one.identity for one in clip_lines(rows, found, "video", 0)] == ["c"]


def test_growth_over_faces_is_the_scale_of_the_tail(rng):
    assert face_growth(rng.exponential(0.4, 20_000)) == pytest.approx(0.4, rel=0.05)
    assert face_growth(np.zeros(3)) == 0.0


def test_further_clips_count_for_peaks_and_faces_alone():
    def part(label: int) -> AnalysedPart:
        rows = pd.DataFrame({
            "path": ["x.mp4"], "label": [label], "video_fake": [label], "audio_fake": [label], "source": "s",
            "identity": ["i"],
        })  # fmt: skip
        return AnalysedPart(rows, (analysis(face(0, 100, video=1.0)),))

    nothing = AnalysedPart(part(0).rows.iloc[:0], ())
    clips = CalibrationClips(part(0), nothing, nothing, part(0))
    assert len(clips.lines("audio", 0)) == 2 and clips.lone_faces("video").tolist() == [1.0, 1.0]
    assert len(clips.genuine()) == 1 and len(clips.head_logits("video")[0]) == 1


def test_windows_of_a_made_line_are_those_of_the_product():
    # The fit joins lines of clips; a clip's line is what aggregation makes of its windows.
    spans = window_spans(0, 100, 50, 25)
    scores = [score(start, stop - start, track=None, audio=float(start)) for start, stop in spans]
    line = known_line(analysis(scores, [], 100), "audio")
    assert line.tolist() == [0.0] * 25 + [12.5] * 25 + [37.5] * 25 + [50.0] * 25


def test_a_spec_without_a_threshold_calls_nothing_by_its_mean():
    assert not called_by_mean("video", [np.full(50, 99.0)], SPEC).any()
    assert called_by_mean("audio", [np.full(50, 9.0), np.zeros(50)], SPEC).tolist() == [True, False]
    assert Calibration().growth == 0.0
