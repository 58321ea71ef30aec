# SPDX-License-Identifier: Apache-2.0
"""Numbers for one kind of file win there and nowhere else; a spec without them means what it always meant."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest
from made_analysis import analysis, face, score, track
from tiny_model import tiny_spec

from cad.media.records import MediaKind
from cad.report.html import verdict_section
from cad.report.text import verdict_text
from cad.spec import (
    DOMAINS,
    HEADS,
    PEAKS,
    Calibration,
    ModelSpec,
    OperatingPoint,
    domain_key,
    numbers_key,
    plain_key,
    spec_for,
    with_operating_point,
)
from cad.verdict.calibrate import calibrate
from cad.verdict.domain import domain_of
from cad.verdict.judge import judge
from cad.verdict.records import NumberKeys, Verdict

CALIBRATION = {"video@still": Calibration(2.0, 1.0), "audio@recording": Calibration(0.5, -3.0)}
POINTS = {"video@still": OperatingPoint(0.99, 0.9), "audio@recording": OperatingPoint(0.3, 0.1)}


def by_domain() -> ModelSpec:
    spec = tiny_spec()
    return replace(
        spec,
        calibration={**spec.calibration, **CALIBRATION},
        operating_points={**spec.operating_points, **POINTS},
    )


def still(logit: float):
    shot = [score(0, 1, video=logit, has_audio=False)]
    return analysis(shot, [track(stop=1)], 1, MediaKind.IMAGE, speech_slots=None)


def recording(logit: float):
    return analysis(face(0, 100, track=None, audio=logit), kind=MediaKind.AUDIO)


FILES = {"recording": recording(1.0), "talking_head": analysis(face(0, 100, video=1.0)), "still": still(1.0)}


def test_every_kind_of_file_has_its_domain():
    assert {domain: domain_of(one.info) for domain, one in FILES.items()} == {one: one for one in DOMAINS}


def test_numbers_of_a_domain_win_there_and_nowhere_else():
    plain, spec = tiny_spec(), by_domain()
    found, before = calibrate(FILES["still"], spec), calibrate(FILES["still"], plain)
    assert found.probabilities["video"] == pytest.approx(1 / (1 + 2.718281828**-3.0))
    assert found.faces[0].own == found.probabilities["video"] != before.probabilities["video"]
    assert found.points["video"] == POINTS["video@still"] and set(found.points) == set(HEADS)
    assert judge(FILES["still"], spec).label.value == "inconclusive" != judge(FILES["still"], plain).label.value
    sound = calibrate(FILES["recording"], spec)
    assert sound.probabilities["audio"] == pytest.approx(1 / (1 + 2.718281828**2.5))
    assert sound.points["audio"].fake_threshold == 0.3
    # A talking head has no numbers of its own here: not a bit changes.
    assert calibrate(FILES["talking_head"], spec) == replace(calibrate(FILES["talking_head"], plain))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_spec_without_domains_is_the_same_object_for_every_file(domain):
    spec = tiny_spec()
    assert spec_for(spec, domain) is spec
    keys = calibrate(FILES[domain], spec).keys
    judged = {"recording": ("audio",), "talking_head": HEADS, "still": ("video",)}[domain]
    assert keys == {head: NumberKeys(head, head) for head in judged}


def test_an_older_package_reads_such_a_spec_and_takes_the_plain_numbers():
    raw = json.loads(by_domain().to_json())
    assert raw["version"] == 1
    # What it does: looks the plain key up, and makes records of all the others, whatever their names are.
    assert ModelSpec.from_json(json.dumps(raw)) == by_domain()
    assert {key: raw["calibration"][key] for key in HEADS} == json.loads(tiny_spec().to_json())["calibration"]
    raw["calibration"]["video@hologram"] = {"scale": 9.0}
    later = ModelSpec.from_json(json.dumps(raw))
    for one in FILES.values():
        assert judge(one, later) == judge(one, by_domain())


def test_a_head_that_has_numbers_in_one_domain_alone_is_uncalibrated_in_the_others():
    spec = tiny_spec(
        calibration={"video@still": Calibration()}, operating_points={"video@still": POINTS["video@still"]}
    )
    assert "video" not in calibrate(FILES["still"], spec).uncalibrated
    assert "video" in calibrate(FILES["talking_head"], spec).uncalibrated
    assert calibrate(FILES["talking_head"], spec).points == {}


def test_frames_and_peaks_may_have_numbers_by_domain_too():
    numbers = {"audio_frame@recording": Calibration(1.0, -9.0), "audio_peak@recording": Calibration(1.0, 2.0)}
    spec = by_domain()
    spec = replace(
        spec,
        calibration={**spec.calibration, **numbers},
        operating_points={**spec.operating_points, "audio_peak@recording": OperatingPoint(0.8, 0.7)},
    )
    heard = analysis(face(0, 500, track=None, audio=1.0), slots=500, kind=MediaKind.AUDIO)
    found = calibrate(heard, spec)
    assert found.curves["audio"].max() < 0.001 and found.peaks[0].point == OperatingPoint(0.8, 0.7)
    assert found.keys["audio_peak"] == NumberKeys("audio_peak@recording", "audio_peak@recording")
    seen = calibrate(analysis(face(0, 500, audio=1.0), [track(stop=500)], 500, speech_slots=500), spec)
    assert "audio_peak" not in seen.keys and all(one.point is None for one in seen.peaks)
    own = with_operating_point(spec, OperatingPoint(0.95, 0.5))
    assert set(own.operating_points) == {*HEADS, "audio_peak@recording"}
    assert set(calibrate(heard, own).points.values()) == {OperatingPoint(0.95, 0.5)}
    assert calibrate(heard, own).peaks[0].point == OperatingPoint(0.95, 0.5)


def test_the_verdict_names_the_domain_and_the_numbers_and_reads_them_back():
    verdict = judge(FILES["still"], by_domain())
    document = json.loads(verdict.to_json())
    assert document["domain"] == "still"
    assert document["numbers"] == {"video": {"calibration": "video@still", "operating_point": "video@still"}}
    assert Verdict.from_json(verdict.to_json()).numbers == verdict.numbers
    assert (
        Verdict.from_json(json.dumps({k: v for k, v in document.items() if k not in ("domain", "numbers")})).domain
        == ""
    )
    assert "numbers still: video@still\n" in verdict_text(verdict, verbose=True)
    assert "<td>still: video@still</td>" in verdict_section(verdict, {})
    bare = judge(FILES["still"], tiny_spec(calibration={}, operating_points={}))
    assert bare.numbers == {} and "numbers" not in verdict_text(bare, verbose=True)


def test_keys_are_taken_apart_as_they_are_made():
    for name in (*HEADS, *PEAKS):
        assert plain_key(domain_key(name, "still")) == plain_key(name) == name
        assert numbers_key({}, name, "still") is None
    assert dataclasses.asdict(NumberKeys(None, "a")) == {"calibration": None, "operating_point": "a"}
