# SPDX-License-Identifier: Apache-2.0
"""The tiny spec calls fake from 0.6 (logit 0.405) and real below 0.4 (logit -0.405) for every head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_analysis import analysis, face, score, track
from tiny_model import tiny_spec

from cad.media.records import MediaKind
from cad.spec import Calibration, OperatingPoint, with_operating_point
from cad.verdict.judge import judge
from cad.verdict.records import Label


def verdict_of(scores, **about):
    return judge(analysis(scores, **about), about.get("spec") or tiny_spec())


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def test_everything_genuine_is_real():
    verdict = verdict_of(face(0, 100))
    assert verdict.label is Label.REAL
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(2.0)))
    assert verdict.reasons == () and verdict.segments == ()
    assert all(evidence.reason is None for evidence in verdict.streams.values())


def test_fused_evidence_decides_where_there_are_picture_and_sound():
    verdict = verdict_of(face(0, 100, fused=3.0, video=2.0))
    assert verdict.label is Label.FAKE
    assert codes(verdict) == ["fused_evidence"]
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-3.0)))


def test_one_stream_alone_does_not_overrule_the_fused_head():
    assert verdict_of(face(0, 100, audio=3.0)).label is Label.REAL


def test_picture_alone_is_judged_by_the_video_head_and_the_missing_sound_is_said():
    verdict = verdict_of(face(0, 100, has_audio=False, video=3.0, fused=-9.0), speech_slots=None)
    assert verdict.label is Label.FAKE
    assert codes(verdict) == ["video_evidence", "no_audio"]
    assert verdict.streams["audio"].probability_fake is None
    assert "no sound" in verdict.streams["audio"].reason


def test_sound_alone_is_judged_by_the_audio_head():
    scores = face(0, 100, track=None, audio=3.0, fused=-9.0)
    verdict = verdict_of(scores, kind=MediaKind.AUDIO)
    assert verdict.label is Label.FAKE
    assert codes(verdict) == ["audio_evidence", "no_picture"]
    assert verdict_of(face(0, 100, track=None), kind=MediaKind.AUDIO).label is Label.REAL


def test_between_the_thresholds_is_inconclusive():
    verdict = verdict_of(face(0, 100, fused=0.0))
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict) == ["between_thresholds"]
    assert verdict.probability_fake == pytest.approx(0.5)


def test_synchrony_alone_never_makes_a_fake_and_says_that_dubbing_does_the_same():
    verdict = verdict_of(face(0, 100, sync=4.0, fused=4.0))
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "sync_only"
    assert "dubbing" in verdict.reasons[0].text
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-4.0)))


@pytest.mark.parametrize("head", ["video", "audio"])
def test_synchrony_beside_a_suspicious_stream_is_a_fake_that_mentions_dubbing(head):
    verdict = verdict_of(face(0, 100, sync=4.0, fused=4.0, **{head: 1.0}))
    assert verdict.label is Label.FAKE
    assert "out_of_sync" in codes(verdict)


def test_a_constant_offset_is_told_and_a_wandering_one_is_not():
    def offsets(*values):
        return [score(25 * i, sync=4.0, fused=4.0, video=2.0, offset=value) for i, value in enumerate(values)]

    assert "constant_offset" in codes(verdict_of(offsets(0.31, 0.30, 0.32)))
    assert "constant_offset" not in codes(verdict_of(offsets(0.31, -0.2, 0.05)))
    assert "constant_offset" not in codes(verdict_of(offsets(0.02, 0.02, 0.02)))


def test_no_face_in_a_silent_video_is_inconclusive():
    verdict = verdict_of([], tracks=[], speech_slots=None)
    assert verdict.label is Label.INCONCLUSIVE and verdict.probability_fake is None
    assert set(codes(verdict)) == {"no_face", "no_audio"}


def test_a_video_without_a_face_is_never_called_real_on_its_sound():
    genuine = face(0, 100, track=None)
    verdict = verdict_of(genuine, tracks=[])
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict) == ["picture_not_judged", "no_face"]
    assert verdict_of(face(0, 100, track=None, audio=3.0), tracks=[]).label is Label.FAKE


def test_a_face_that_is_too_small_is_not_judged_and_its_size_is_said():
    verdict = verdict_of(face(0, 100, video=9.0, has_audio=False), tracks=[track(height_px=30.0)], speech_slots=None)
    assert verdict.label is Label.INCONCLUSIVE
    assert "30 px" in verdict.streams["video"].reason


def test_a_face_that_is_seen_too_briefly_is_not_judged():
    verdict = verdict_of([], tracks=[track(stop=5)], speech_slots=None)
    assert "face_too_short" in codes(verdict)


def test_a_file_that_is_too_short_is_inconclusive():
    verdict = verdict_of([], tracks=[track(stop=8)], slots=8)
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict) == ["too_short"]
    assert "0.32 s" in verdict.reasons[0].text


def test_no_speech_means_that_only_the_picture_is_judged():
    verdict = verdict_of(face(0, 100, has_audio=False), speech_slots=0)
    assert verdict.label is Label.REAL
    assert codes(verdict) == ["no_speech"]


def test_little_coverage_is_inconclusive_and_some_damage_is_a_note():
    verdict = verdict_of(face(0, 100, fused=4.0, video=4.0), coverage=0.4)
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "low_coverage"
    verdict = verdict_of(face(0, 100, fused=4.0, video=4.0), coverage=0.7)
    assert verdict.label is Label.FAKE
    assert "partly_read" in codes(verdict)


def test_a_still_picture_is_judged_on_one_slot_and_called_weak():
    verdict = verdict_of(
        [score(0, 1, video=3.0, has_audio=False)],
        tracks=[track(stop=1)],
        slots=1,
        kind=MediaKind.IMAGE,
        speech_slots=None,
    )
    assert verdict.label is Label.FAKE
    assert "still_image" in codes(verdict)


def test_pictures_beside_the_judged_one_are_named():
    about = analysis([score(0, 1, video=-3.0, has_audio=False)], slots=1, kind=MediaKind.IMAGE, speech_slots=None)
    assert "not_judged" not in codes(judge(about, tiny_spec()))
    about = replace(about, info=replace(about.info, besides=("2 more pictures", "a video")))
    named = next(reason for reason in judge(about, tiny_spec()).reasons if reason.code == "not_judged")
    assert "2 more pictures and a video" in named.text


def test_a_forged_listener_makes_the_file_fake_and_a_genuine_one_does_not():
    speaker = face(0, 100, track=0, sync=-3.0)
    forged = face(0, 100, track=1, sync=4.0, fused=6.0, video=3.0)
    verdict = verdict_of(speaker + forged, tracks=[track(0), track(1)])
    assert verdict.label is Label.FAKE
    assert "listener_evidence" in codes(verdict)
    several = next(reason for reason in verdict.reasons if reason.code == "several_faces")
    assert "face 1" in several.text
    genuine = face(0, 100, track=1, sync=4.0, fused=6.0, video=-3.0)
    assert verdict_of(speaker + genuine, tracks=[track(0), track(1)]).label is Label.REAL


def test_every_face_is_listed_with_its_own_probability_and_whether_it_speaks():
    speaker = face(0, 100, track=0, sync=-3.0, fused=-1.0)
    listener = face(0, 100, track=1, sync=4.0, video=1.0)
    verdict = verdict_of(speaker + listener, tracks=[track(0), track(1), track(2, height_px=20.0)])
    assert [one.active_speaker for one in verdict.faces] == [True, False, None]
    assert [one.probability_fake for one in verdict.faces] == pytest.approx(
        [1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(-1.0)), None]
    )


def test_a_mouth_that_does_not_move_does_not_speak():
    speaker = face(0, 100, track=0, sync=-3.0)
    assert [one.active_speaker for one in verdict_of(speaker, tracks=[track(0, motion=0.1)]).faces] == [False]


def test_a_face_and_speech_that_never_meet_are_judged_by_the_worse():
    scores = [score(0, has_audio=False), score(50, track=None, audio=3.0)]
    verdict = verdict_of(scores, tracks=[track(stop=50)])
    assert verdict.label is Label.FAKE
    assert "never_together" in codes(verdict) and "audio_evidence" in codes(verdict)


@pytest.mark.parametrize("about", [{}, {"speech_slots": None}, {"kind": MediaKind.AUDIO}])
def test_a_model_fresh_from_training_abstains_and_says_why(about):
    scores = face(0, 100, fused=3.0, video=3.0, audio=3.0, sync=3.0, has_audio="speech_slots" not in about)
    if "kind" in about:
        scores = face(0, 100, track=None, audio=3.0)
    verdict = verdict_of(scores, spec=tiny_spec(calibration={}, operating_points={}), **about)
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "uncalibrated"
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-3.0)))  # for rankings
    assert verdict.segments == () and verdict.operating_points == {}


def test_a_head_that_was_never_calibrated_does_not_decide_and_others_do():
    spec = tiny_spec(operating_points={"fused": OperatingPoint(0.6, 0.4)}, calibration={"fused": Calibration()})
    assert verdict_of(face(0, 100, fused=3.0, sync=3.0), spec=spec).label is Label.FAKE
    assert verdict_of(face(0, 100), spec=spec).label is Label.REAL
    alone = verdict_of(face(0, 100, track=None), kind=MediaKind.AUDIO, spec=spec)
    assert alone.label is Label.INCONCLUSIVE and codes(alone)[0] == "uncalibrated"


def test_a_threshold_of_the_users_own_decides_and_the_raw_score_is_still_told():
    spec = with_operating_point(tiny_spec(calibration={}, operating_points={}), OperatingPoint(0.6, 0.4))
    verdict = verdict_of(face(0, 100, fused=3.0), spec=spec)
    assert verdict.label is Label.FAKE
    assert codes(verdict) == ["fused_evidence", "uncalibrated"]


def test_calibration_and_thresholds_are_those_of_the_model():
    spec = tiny_spec(
        calibration={"fused": Calibration(2.0, -1.0)}, operating_points={"fused": OperatingPoint(0.97, 0.9)}
    )
    verdict = verdict_of(face(0, 100, fused=2.0, video=2.0), spec=spec)
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert verdict.label is Label.INCONCLUSIVE
