# SPDX-License-Identifier: Apache-2.0
"""Numbers by kind of file, fitted on made analyses whose logits are drawn: kinds lie apart, as real ones do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_analysis import analysis, face, score, track
from tiny_model import tiny_spec

from cad.errors import OptionError
from cad.evaluation.calibration import peaks
from cad.evaluation.calibration.by_domain import Rates, choose_point, paired, too_few, usable
from cad.evaluation.calibration.clips import AnalysedPart, CalibrationClips
from cad.evaluation.calibration.domains import fit_domains, without_domains
from cad.evaluation.calibration.head_rows import HeadRows, source_weights
from cad.evaluation.calibration.options import CalibrationOptions
from cad.evaluation.calibration.platt import fit_platt
from cad.evaluation.calibration.stills import FRAMES, PICTURES
from cad.media.records import MediaKind
from cad.spec import HEADS, Calibration, OperatingPoint, spec_for
from cad.verdict.calibrate import platt

OPTIONS = CalibrationOptions(domain_rows=20)


def part(kind: str, label: int, logits: np.ndarray) -> AnalysedPart:
    about = {"recording": (-1, label), "talking_head": (label, label), "still": (label, -1)}[kind]
    suffix = {"recording": "wav", "talking_head": "mp4", "still": "jpg"}[kind]
    names = [f"{kind}{label}_{number}" for number in range(len(logits))]
    rows = pd.DataFrame({
        "path": [f"{name}.{suffix}" for name in names], "label": label, "video_fake": about[0], "audio_fake": about[1],
        "source": [f"source {number % 5}" for number in range(len(logits))], "identity": names,
    })  # fmt: skip
    return AnalysedPart(rows, tuple(measured(kind, float(logit)) for logit in logits))


def measured(kind: str, logit: float):
    if kind == "recording":
        return analysis(face(0, 100, track=None, audio=logit), kind=MediaKind.AUDIO)
    if kind == "still":
        return analysis([score(0, 1, video=logit, has_audio=False)], [track(stop=1)], 1, MediaKind.IMAGE, None)
    return analysis(face(0, 100, fused=logit, video=logit, audio=logit))


def together(*parts: AnalysedPart) -> AnalysedPart:
    rows = pd.concat([one.rows for one in parts], ignore_index=True)
    return AnalysedPart(rows, tuple(found for one in parts for found in one.found))


def clips_of(plain: AnalysedPart, frames: AnalysedPart | None = None) -> CalibrationClips:
    nothing = AnalysedPart(plain.rows.iloc[:0], ())
    return CalibrationClips(plain, nothing, nothing, None, frames)


def both(kind: str, real: float, fake: float, count: int, rng) -> AnalysedPart:
    return together(part(kind, 0, rng.normal(real, 1, count)), part(kind, 1, rng.normal(fake, 1, count)))


@pytest.fixture(autouse=True)
def few_long_files(monkeypatch):
    monkeypatch.setattr(peaks, "FILES", 20)
    monkeypatch.setattr(peaks, "DURATIONS_SECONDS", (10,))


def fitted(clips: CalibrationClips, options: CalibrationOptions = OPTIONS):
    said: list[str] = []
    spec, figures = fit_domains(tiny_spec(), clips, options, "val", said.append)
    return spec, figures, said


def test_kinds_with_enough_rows_get_numbers_and_the_plain_ones_stay(rng):
    # Genuine recordings lie where forged talking heads do: one threshold cannot serve both.
    plain = together(both("recording", 3, 6, 40, rng), both("talking_head", 0, 3, 40, rng), both("still", 0, 1, 5, rng))
    spec, figures, said = fitted(clips_of(plain))
    assert {head: spec.calibration[head] for head in HEADS} == tiny_spec().calibration
    assert {head: spec.operating_points[head] for head in HEADS} == tiny_spec().operating_points
    assert {"audio@recording", "audio@talking_head", "fused@talking_head", "video@talking_head"} <= set(
        spec.calibration
    )
    assert not any(key.endswith("@still") or key.startswith("sync@") for key in spec.calibration)
    assert "5 forged and 5 genuine rows; 20 of each are needed" in figures["still"]["left_plain"]["video"]
    assert "5 forged and 5 genuine rows" in " ".join(said)
    for domain, head, real in (("recording", "audio", 3), ("talking_head", "fused", 0)):
        own = figures[domain]["heads"][head]
        assert (own["genuine"], own["forged"], own["sources_genuine"], own["sources_forged"]) == (40, 40, 5, 5)
        rate = own["false_positive_rate"]
        assert rate["rows"] == 40 and rate["sources"] == 5 and rate["by_rows"]["value"] <= 0.05
        assert rate["by_rows"]["low"] <= rate["by_rows"]["value"] <= rate["by_rows"]["high"]
        assert own["scale"]["low"] < own["scale"]["value"] < own["scale"]["high"]
        # The half-way point of either kind is where it lies between its own classes.
        numbers = spec_for(spec, domain).calibration[head]
        assert -numbers.bias / numbers.scale == pytest.approx(real + 1.5, abs=0.6)
        assert f"val, {domain}: 80 files" in spec.operating_points[f"{head}@{domain}"].chosen_on
        assert figures[domain]["false_positive_rate_of_files"] <= 0.05
        decided = figures[domain]["files"]["files, genuine"]["decided"]
        assert decided["rows"] == 40 and 0.4 <= decided["by_rows"]["value"] <= 1
    assert "audio_peak@recording" in spec.operating_points and "video_peak@recording" not in spec.operating_points
    assert "audio_frame@recording" in spec.calibration


def test_one_kind_alone_has_the_plain_numbers(rng):
    spec, figures, _ = fitted(clips_of(both("recording", 0, 3, 30, rng)))
    assert spec == tiny_spec() and "the plain numbers are its own" in figures["recording"]


def test_frames_cut_as_stills_make_numbers_for_stills_that_hold_on_photographs(rng):
    # Photographs score higher than genuine frames of video: a threshold of frames alone would call a third fake.
    photographs = part("still", 0, rng.normal(2, 1, 60))
    clips = clips_of(together(photographs, both("talking_head", 0, 3, 30, rng)), both("still", 0, 3, 60, rng))
    spec, figures, _ = fitted(clips)
    own = figures["still"]["heads"]["video"]
    assert own[f"false_positive_rate, {PICTURES}"]["by_rows"]["value"] <= 0.05
    assert own[f"false_positive_rate, {FRAMES}"]["by_rows"]["value"] <= 0.05
    frames = clips.frames.head_rows("video", are_frames=True)
    alone = fit_platt(frames.logits, frames.labels)
    found = spec.calibration["video@still"]
    assert (found.scale, found.bias) == (alone.scale, alone.bias)
    assert "120 frames cut out of clips as stills" in spec.operating_points["video@still"].chosen_on
    assert figures["still"]["files"]["files, genuine"]["called_fake"]["by_rows"]["value"] <= 0.05


def test_forged_frames_are_never_held_against_photographs_alone(rng):
    logits, labels = rng.normal(0, 1, 90), np.repeat([0, 1], [50, 40]).astype(np.int8)
    strata = np.repeat([PICTURES, FRAMES], [50, 40]).astype(object)
    names = np.array([str(number) for number in range(90)], dtype=object)
    kinds = np.full(90, "still", dtype=object)
    rows = HeadRows(logits, labels, names, names, kinds, strata, np.ones(90, np.bool_))
    assert "40 forged and 50 genuine rows; 20 of each are needed, of one kind" in too_few(rows, 20)
    assert not paired(rows, 20).any() and usable(rows, 20).labels.tolist() == [0] * 50
    # Copies are no further witnesses.
    doubled = HeadRows(logits, labels, names, names, kinds, np.full(90, "", object), np.arange(90) % 4 == 0)
    assert "forged" in too_few(doubled, 20) and too_few(doubled, 10) == ""


def test_a_source_of_many_rows_does_not_decide_alone(rng):
    # One page of 900 clips that score high, and 30 pages of one that do not.
    names = np.array(["page"] * 900 + [f"other {number}" for number in range(30)] + ["forger"] * 50, dtype=object)
    logits = np.concatenate([rng.normal(0, 0.1, 900), rng.normal(4, 0.5, 30), rng.normal(6, 1, 50)])
    labels = np.repeat([0, 1], [930, 50]).astype(np.int8)
    empty, kinds = np.full(980, "", dtype=object), np.full(980, "recording", dtype=object)
    rows = HeadRows(logits, labels, names, names, kinds, empty, np.ones(980, np.bool_))
    limits = [choose_point(rows, Calibration(), Rates(0.05, 0.1), "", weigh).fake_threshold for weigh in (False, True)]
    called = [(platt(logits, Calibration()) >= limit) & (labels == 0) for limit in limits]
    assert called[0].sum() == 46 and called[1].sum() <= 3  # of 930; of 60 in weight, 3 may be
    assert source_weights(np.array([], dtype=object)).size == 0


def test_numbers_by_kind_of_an_earlier_calibration_are_dropped_with_the_heads(rng):
    spec = tiny_spec()
    stale = {"audio@recording": Calibration(9.0), "audio_peak@recording": Calibration(8.0)}
    points = {**spec.operating_points, "audio@recording": OperatingPoint(0.9, 0.1)}
    spec = replace(spec, calibration={**spec.calibration, **stale}, operating_points=points)
    assert without_domains(spec) == tiny_spec()
    assert set(without_domains(spec, ["audio"]).calibration) == {*HEADS, "audio_peak@recording"}


def test_too_few_rows_are_refused_as_an_option():
    with pytest.raises(OptionError, match="needs 20 rows of each class; 3 are fewer"):
        CalibrationOptions(domain_rows=3)
