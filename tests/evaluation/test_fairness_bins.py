# SPDX-License-Identifier: Apache-2.0
"""Bins, their edges and intervals, and the bar, on files whose measures are made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cad.errors import DataError
from cad.evaluation.fairness.answers import answered
from cad.evaluation.fairness.bin_figures import ALL, bins_of, wilson
from cad.evaluation.fairness.face_look import FaceLook
from cad.evaluation.fairness.fairness_report import FairnessReport
from cad.evaluation.fairness.measuring import FileMeasure
from cad.evaluation.fairness.properties import NOT_STATED, PROPERTIES, UNKNOWN, binned, column_property
from cad.evaluation.fairness.voice_look import VoiceLook
from cad.evaluation.records import FileScore
from cad.spec import Calibration, ModelSpec, OperatingPoint

TONE = next(one for one in PROPERTIES if one.name == "skin tone")
HEIGHT = next(one for one in PROPERTIES if one.name == "face height")


def stills(count: int, degrees: float | None, fake: int = 0, missed: int = 0, height: float | None = 200.0):
    return [
        FileMeasure(f"{degrees}_{height}_{n}.jpg", "image", "fake" if n < fake else "real", 0.25, int(n >= missed),
                    FaceLook(height_px=height, typology_degrees=degrees))
        for n in range(count)
    ]  # fmt: skip


def found(measures, properties=(TONE,), faceless=()):
    return {(one.name, one.bin): one for one in bins_of(measures, properties, faceless)}


def report_of(measures, properties=(TONE,)) -> FairnessReport:
    return FairnessReport(["Made."], measures, properties, list(bins_of(measures, properties)))


def test_wilson_interval_against_the_closed_form() -> None:
    share, n, z = 0.1, 50, 1.959964
    middle, half = share + z * z / (2 * n), z * ((share * (1 - share) + z * z / (4 * n)) / n) ** 0.5
    estimate = wilson(5, 50)
    assert estimate.low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-6)
    assert estimate.high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-6)
    assert wilson(50, 50).high == 1.0


@pytest.mark.parametrize(
    ("name", "look", "values"),
    [
        ("face height", "height_px", [(59.9, "below 60 px"), (60, "60 to 120 px"), (480, "480 px and more")]),
        ("head pose", "turn", [(0.149, "frontal"), (0.15, "turned (from about 20°)")]),
        ("head pose", "turn", [(0.349, "turned (from about 20°)"), (0.35, "profile (from about 40°)")]),
        ("light on the face", "light", [(29.9, "mean L* below 30"), (30, "30 to 45"), (75, "75 and more")]),
        ("contrast of the picture", "contrast", [(39, "L* spans below 40"), (40, "40 to 70"), (None, UNKNOWN)]),
    ],
)  # fmt: skip
def test_bins_of_faces_and_their_edges(name: str, look: str, values) -> None:
    (one,) = (one for one in PROPERTIES if one.name == name)
    for value, expected in values:
        assert one.bin_of(FileMeasure("a", "image", "real", face=FaceLook(**{look: value}))) == expected
    assert one.bin_of(FileMeasure("a", "image", "real")) == UNKNOWN


@pytest.mark.parametrize(
    ("name", "look", "values"),
    [
        ("pitch of the voice", "pitch_hz", [(139, "low (below 140 Hz)"), (140, "middle (140 to 190 Hz)")]),
        ("pitch of the voice", "pitch_hz", [(189, "middle (140 to 190 Hz)"), (190, "high (from 190 Hz)")]),
        ("sample rate", "rate_hz", [(8000, "below 16 kHz"), (16000, "16 kHz"), (24000, "above it"),
                                    (44100, "44.1 kHz and more")]),
        ("band", "band_hz", [(3400, "to 4.2 kHz"), (6900, "to 7 kHz"), (8000, "wider")]),
        ("level", "level_dbfs", [(-40, "below -35 dBFS"), (-15, "-15 and more")]),
        ("duration of the sound", "seconds", [(1.9, "below 2 s"), (2, "2 to 5 s"), (60, "15 s and more")]),
    ],
)  # fmt: skip
def test_bins_of_voices_and_their_edges(name: str, look: str, values) -> None:
    (one,) = (one for one in PROPERTIES if one.name == name)
    for value, expected in values:
        assert one.bin_of(FileMeasure("a", "audio", "real", voice=VoiceLook(**{look: value}))) == expected


def test_every_bin_has_a_name_of_its_own_in_its_place() -> None:
    for one in PROPERTIES:
        assert len(set(one.bins)) == len(one.bins) and one.unknown == UNKNOWN
    with pytest.raises(IndexError):
        binned(5, (1, 2), ("a", "b"))


def test_bins_count_what_is_said_of_their_files() -> None:
    figures = found([*stills(60, 60.0, fake=3), *stills(40, -40.0, missed=2), *stills(5, None)])
    assert figures[ALL, ALL].files == 105 and figures[ALL, ALL].fake == 3
    light, dark = figures["skin tone", "very light"], figures["skin tone", "dark"]
    assert (light.files, light.fake, light.missed, light.mean_probability) == (60, 3, 0, 0.25)
    assert (dark.files, dark.shown, dark.missed, dark.is_small) == (40, 40, 2, True)
    assert figures["skin tone", UNKNOWN].is_unknown and ("skin tone", "tan") not in figures


def test_the_bar_is_broken_from_fifty_files_and_beyond_its_margin() -> None:
    # 2 % in the mean: 4 % are on the bar's edge, 5 % beyond it.
    ok = report_of([*stills(100, 60.0, fake=4), *stills(100, 20.0, fake=0)])
    assert ok.mean_fake("still pictures") == 0.02 and not ok.broken
    bad = report_of([*stills(100, 60.0, fake=6), *stills(100, 20.0, fake=0), *stills(49, -50.0, fake=9)])
    assert bad.broken == []  # the mean is 6 %
    worse = report_of([*stills(100, 60.0, fake=9), *stills(200, 20.0), *stills(49, -50.0, fake=9)])
    assert worse.broken == ["still pictures, skin tone very light: called fake 9.0%, 5.2% in the mean (may be chance)"]
    text = "\n".join("|".join(map(str, line)) for line in worse.document().tables[1].lines)
    assert "**breaks it**" in text and text.count("small") == 1 and text.count("holds") == 1


def test_missed_faces_break_the_bar_where_they_are_large_or_of_unknown_size() -> None:
    small = report_of([*stills(100, -50.0, missed=5, height=59.0)], (TONE, HEIGHT))
    assert small.broken == []
    large = report_of([*stills(100, -50.0, missed=2, height=60.0), *stills(100, 60.0)], (TONE,))
    assert large.broken == ["still pictures, skin tone dark: face missed 2.0% (may be chance)"]
    # Of those of which nothing is known all may be missed, and the whole is held to the bar.
    unknown = report_of([*stills(60, None, missed=60, height=None), *stills(100, 60.0)], (TONE,))
    assert unknown.broken == ["still pictures, all: face missed 37.5%"]


def test_a_picture_that_is_said_to_show_no_face_is_no_miss() -> None:
    measures = stills(3, 60.0, missed=2)
    figures = found(measures, faceless={measures[0].path})
    assert (figures[ALL, ALL].files, figures[ALL, ALL].shown, figures[ALL, ALL].missed) == (3, 2, 1)


def test_kinds_of_file_are_measured_apart_and_unreadable_ones_left_out() -> None:
    voice = FileMeasure("a.wav", "audio", "inconclusive", None, voice=VoiceLook(pitch_hz=100.0, rate_hz=16000.0))
    broken = FileMeasure("b.wav", "", "error", error="undecodable")
    report = report_of([*stills(2, 60.0, fake=1), voice, broken], PROPERTIES)
    assert {one.domain for one in report.bins} == {"still pictures", "recordings"}
    assert report.mean_fake("still pictures") == 0.5 and report.mean_fake("recordings") == 0
    (alone,) = (one for one in report.bins if one.domain == "recordings" and one.name == ALL)
    assert (alone.inconclusive, alone.mean_probability, alone.shown) == (1, None, 0)
    assert any("undecodable 1" in fact for fact in report.document().facts)
    # What is known of no file makes no table.
    assert {one.name for one in report.bins if one.domain == "recordings"} == {ALL, "pitch of the voice", "sample rate"}
    assert not any("no face found" in table.headings for table in report.document().tables if "rec" in table.title)


def test_columns_are_sorted_as_they_are_stated() -> None:
    measures = stills(3, 60.0)
    one, two, three = (measure.path for measure in measures)
    sex = column_property("sex", {one: "female", two: " male ", three: ""})
    assert sex.bins == ("female", "male", NOT_STATED)
    assert [sex.bin_of(measure) for measure in measures] == ["female", "male", NOT_STATED]
    age = column_property("age", {one: "17", two: "60", three: "18.5"})
    assert age.bins == ("below 18 years", "18 to 39 years", "60 years and more", NOT_STATED)
    assert [age.bin_of(measure) for measure in measures] == ["below 18 years", "60 years and more", "18 to 39 years"]
    with pytest.raises(DataError, match="201 different values"):
        column_property("path", {str(n): str(n) for n in range(201)})


def test_the_report_is_written_for_people_and_programs(tmp_path: Path) -> None:
    report = report_of([*stills(60, 60.0, fake=3), *stills(60, 5.0)], PROPERTIES)
    report.write(tmp_path)
    raw = json.loads((tmp_path / "report.json").read_text())
    (light,) = (one for one in raw["bins"] if one["bin"] == "very light")
    assert light["fake_share"] == {"value": 0.05, "low": 0.01715, "high": 0.137005}
    assert light["breaks"] == ["called fake 5.0%, 2.5% in the mean (may be chance)"] and raw["bar"]["broken"]
    assert (
        "still pictures: skin tone,very light,called fake,0.050000,0.017150,0.137005"
        in (tmp_path / "report.csv").read_text()
    )
    assert "| brown | 60 | 0.000 [0.000, 0.060]" in (tmp_path / "report.md").read_text()
    lines = (tmp_path / "files.csv").read_text().splitlines()
    assert len(lines) == 121 and "bin: skin tone" in lines[0] and "very light" in lines[1]


def test_answers_of_others_stand_where_one_head_judges_alone() -> None:
    measures = [
        FileMeasure("a.png", "image", "real", 0.1),
        FileMeasure("b.wav", "audio", "real", 0.1),
        FileMeasure("c.mp4", "video", "real", 0.1),
        FileMeasure("d.png", "image", "error", None, error="undecodable"),
        FileMeasure("e.png", "image", "real", 0.1),
    ]
    point = OperatingPoint(fake_threshold=0.8, real_threshold=0.3)
    plain, of_stills = Calibration(1.0, 0.0), Calibration(2.0, 0.0)
    spec = ModelSpec(
        name="made",
        window_frames=50,
        min_frames=10,
        calibration={"video": plain, "video@still": of_stills, "audio": plain},
        operating_points={"video": point, "video@still": point, "audio": point},
    )
    logits = {"a.png": {"video": 1.0}, "b.wav": {"audio": 0.0}, "c.mp4": {"video": 9.0}, "d.png": {"video": 9.0}}
    scores = {path: FileScore(path=path, answer="inconclusive", logit=one) for path, one in logits.items()}
    found = answered(measures, scores, spec)
    assert [one.answer for one in found] == ["fake", "inconclusive", "real", "error", "real"]
    assert found[0].probability == pytest.approx(1 / (1 + np.exp(-2.0))) and found[2] is measures[2]
