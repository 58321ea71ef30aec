# SPDX-License-Identifier: Apache-2.0
"""The tiny spec calls fake from 0.6 (logit 0.405) and real below 0.4 (logit -0.405) for every head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_analysis import analysis, face, score, track, with_peak
from tiny_model import tiny_spec

from cad.media.records import MediaKind, Outcome
from cad.spec import Calibration, OperatingPoint, with_operating_point
from cad.verdict.calibrate import calibrate
from cad.verdict.judge import judge
from cad.verdict.judge import verdict_of as judge_evidence
from cad.verdict.records import Label


def verdict_of(scores, **about):
    return judge(analysis(scores, **about), about.get("spec") or tiny_spec())


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def texts(verdict):
    return [reason.text for reason in verdict.reasons]


def test_everything_genuine_is_real():
    verdict = verdict_of(face(0, 100))
    assert verdict.label is Label.REAL
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(2.0)))
    assert verdict.reasons == () and verdict.segments == ()
    assert all(evidence.reason is None for evidence in verdict.streams.values())


def test_fused_evidence_decides_where_there_are_picture_and_sound():
    verdict = verdict_of(face(0, 100, fused=3.0))
    assert verdict.label is Label.FAKE
    assert codes(verdict) == ["fused_evidence"]
    assert verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-3.0)))


@pytest.mark.parametrize(("stream", "name"), [("audio", "the sound"), ("video", "the picture")])
def test_a_stream_over_its_threshold_is_named_and_never_real_though_the_fused_head_decides(stream, name):
    verdict = verdict_of(face(0, 100, **{stream: 3.0}))
    assert verdict.label is Label.INCONCLUSIVE and verdict.probability_fake == pytest.approx(1 / (1 + np.exp(2.0)))
    assert codes(verdict)[0] == f"{stream}_alone"
    assert verdict.reasons[0].text == f"{name} by itself: probability 0.95, at or above its threshold 0.60"
    both = verdict_of(face(0, 100, fused=3.0, **{stream: 3.0}))
    assert both.label is Label.FAKE and codes(both)[:2] == ["fused_evidence", f"{stream}_alone"]


def alone(*streams, fake=0.9):
    """The tiny spec, in which these streams make a file fake beside the fused head from ``fake`` on."""
    spec = tiny_spec()
    own = {f"{stream}_alone": OperatingPoint(fake, fake) for stream in streams}
    return replace(spec, operating_points={**spec.operating_points, **own})


@pytest.mark.parametrize(("stream", "name"), [("audio", "the sound"), ("video", "the picture")])
def test_a_stream_that_may_stand_alone_makes_a_file_fake_that_the_fused_head_calls_real(stream, name):
    verdict = verdict_of(face(0, 100, **{stream: 3.0}), spec=alone("audio", "video"))
    assert verdict.label is Label.FAKE and verdict.probability_fake == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert codes(verdict)[0] == f"{stream}_evidence" and f"{stream}_alone" not in codes(verdict)
    assert verdict.reasons[0].text == f"{name} by itself: probability 0.95, at or above the threshold 0.90"
    assert verdict.operating_points[f"{stream}_alone"].fake_threshold == 0.9
    assert verdict.numbers[f"{stream}_alone"].calibration == stream
    assert verdict.numbers[f"{stream}_alone"].operating_point == f"{stream}_alone"
    # The other stream may not, in a model that lets only this one in.
    other = {"audio": "video", "video": "audio"}[stream]
    assert verdict_of(face(0, 100, **{stream: 3.0}), spec=alone(other)).label is Label.INCONCLUSIVE


def test_a_stream_under_the_threshold_for_standing_alone_holds_back_real_and_leaves_the_figure():
    verdict = verdict_of(face(0, 100, audio=1.0), spec=alone("audio"))
    assert verdict.label is Label.INCONCLUSIVE and verdict.probability_fake == pytest.approx(1 / (1 + np.exp(2.0)))
    assert codes(verdict)[0] == "audio_alone" and "0.73, at or above its threshold 0.60" in verdict.reasons[0].text
    # Between its head's thresholds it has no say: the fused head has weighed it.
    assert verdict_of(face(0, 100, audio=0.0), spec=alone("audio")).label is Label.REAL


def test_a_stream_stands_alone_beside_the_fused_head_and_nowhere_else():
    sound = face(0, 100, track=None, audio=1.0)
    assert verdict_of(sound, kind=MediaKind.AUDIO, spec=alone("audio")).label is Label.FAKE  # from its head's .60 on
    both = verdict_of(face(0, 100, fused=3.0, audio=4.0), spec=alone("audio"))
    assert codes(both)[:2] == ["fused_evidence", "audio_evidence"]
    assert both.probability_fake == pytest.approx(1 / (1 + np.exp(-4.0)))


def test_synchrony_makes_no_fake_beside_streams_that_may_stand_alone_and_a_forged_sound_does():
    spec = alone("audio", "video")
    assert verdict_of(face(0, 100, sync=4.0, fused=4.0), spec=spec).label is Label.INCONCLUSIVE
    forged = verdict_of(face(0, 100, sync=4.0, fused=-2.0, audio=3.0), spec=spec)
    assert forged.label is Label.FAKE and codes(forged)[:2] == ["audio_evidence", "out_of_sync"]
    assert verdict_of(face(0, 100, audio=3.0), spec=spec, coverage=0.4).label is Label.INCONCLUSIVE


def test_a_threshold_of_the_users_own_holds_for_streams_that_stand_alone_too():
    strict = with_operating_point(alone("audio"), OperatingPoint(0.99, 0.4))
    assert verdict_of(face(0, 100, audio=3.0), spec=strict).label is Label.REAL
    assert verdict_of(face(0, 100, audio=6.0), spec=strict).label is Label.FAKE
    never = with_operating_point(tiny_spec(), OperatingPoint(0.99, 0.4))
    assert verdict_of(face(0, 100, audio=6.0), spec=never).label is Label.INCONCLUSIVE


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


@pytest.mark.parametrize("fused", [-2.0, 0.0, 4.0])
def test_synchrony_over_its_threshold_is_named_whatever_the_fused_head_says(fused):
    """A dub: sync at 0.97, while picture and sound by themselves look genuine."""
    verdict = verdict_of(face(0, 100, sync=3.5, fused=fused))
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "sync_only" and "0.97, at or above the threshold 0.60" in verdict.reasons[0].text
    suspicious = verdict_of(face(0, 100, sync=3.5, fused=fused, audio=0.0))
    assert "out_of_sync" in codes(suspicious) and "sync_only" not in codes(suspicious)
    assert suspicious.label is (Label.FAKE if fused > 1 else Label.INCONCLUSIVE)


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
    assert "2 faces were judged; the highest figure, 0.95, is that of face 1" in texts(verdict)
    assert any(text.startswith("face 1 (0.0 s to 4.0 s): probability 0.95") for text in texts(verdict))
    genuine = face(0, 100, track=1, sync=4.0, fused=6.0, video=-3.0)
    assert verdict_of(speaker + genuine, tracks=[track(0), track(1)]).label is Label.REAL


def test_the_face_with_the_highest_figure_is_named_not_the_one_with_the_highest_video_logit():
    scores = face(0, 100, track=2, fused=5.0, sync=-4.0, video=-1.0) + face(0, 100, track=3, sync=4.0, video=0.5)
    verdict = verdict_of(scores, tracks=[track(2), track(3)])
    shown = {one.track_id: one.probability_fake for one in verdict.faces}
    assert shown[2] == pytest.approx(0.99, abs=0.005) and shown[3] == pytest.approx(0.62, abs=0.005)
    assert "2 faces were judged; the highest figure, 0.99, is that of face 2" in texts(verdict)


def test_a_face_over_its_threshold_that_the_mean_over_time_hides_is_named_with_when_and_never_real():
    """A minute of somebody genuine before two seconds of a forged face: the mean lies low."""
    scores = face(0, 1500, track=0) + face(1500, 1550, track=1, fused=1.5)
    verdict = verdict_of(scores, tracks=[track(0, 0, 1500), track(1, 1500, 1550)], slots=1550, speech_slots=1550)
    assert verdict.probability_fake < 0.4
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "face_evidence"
    assert verdict.reasons[0].text == "face 1 (60.0 s to 62.0 s): probability 0.82, at or above its threshold 0.60"


def test_a_stretch_over_its_threshold_makes_a_fake_and_the_reason_says_when():
    genuine = calibrate(analysis(face(0, 1000), slots=1000, speech_slots=1000), tiny_spec())
    point = OperatingPoint(0.8, 0.5)
    forged = judge_evidence(with_peak(genuine, "audio", 0.97, point, 675, 768))
    assert forged.label is Label.FAKE and forged.probability_fake == 0.97
    assert codes(forged) == ["audio_peak_evidence"]
    assert "the sound from 27.0 s to 30.7 s: probability 0.97, at or above the threshold 0.80" in texts(forged)
    between = judge_evidence(with_peak(genuine, "video", 0.6, point, 675, 768))
    assert between.label is Label.INCONCLUSIVE and codes(between) == ["between_thresholds"]
    assert between.reasons[0].text.startswith("the picture of face 0 from 27.0 s to 30.7 s: the probability 0.60 lies")
    assert judge_evidence(with_peak(genuine, "audio", 0.3, point)).label is Label.REAL


def test_a_stretch_of_a_model_without_thresholds_for_stretches_decides_nothing():
    genuine = calibrate(analysis(face(0, 100)), tiny_spec())
    verdict = judge_evidence(with_peak(genuine, "audio", 0.99, None))
    assert verdict.label is Label.REAL and verdict.probability_fake < 0.2 and codes(verdict) == []


def test_segments_that_the_mean_drowns_are_told_with_when():
    scores = face(0, 700) + face(700, 750, audio=3.0)
    verdict = verdict_of(scores, slots=750, speech_slots=750)
    (segment,) = verdict.segments
    told = next(reason.text for reason in verdict.reasons if reason.code == "short_stretches")
    assert f"one stretch from {segment.start_seconds:.2f} s to {segment.stop_seconds:.2f} s (mean 0." in told


def test_of_several_stretches_the_strongest_is_told():
    scores = face(0, 300) + face(300, 350, audio=1.5) + face(350, 650) + face(650, 700, audio=3.0) + face(700, 1000)
    verdict = verdict_of(scores, slots=1000, speech_slots=1000)
    assert [one.stream for one in verdict.segments] == ["audio", "audio"]
    assert "2 stretches, the strongest from 25." in next(text for text in texts(verdict) if text.startswith("audio"))


def test_a_voice_over_a_photograph_beside_a_face_that_is_seen_in_silence_is_never_real():
    scores = face(0, 100, track=0, has_audio=False) + face(100, 200, track=1)
    tracks = [track(0, 0, 100), track(1, 100, 200, is_frozen=True)]
    verdict = verdict_of(scores, tracks=tracks, slots=200)
    assert verdict.label is Label.INCONCLUSIVE and codes(verdict)[0] == "frozen_picture"


@pytest.mark.parametrize("speech", [100, 0, None])
def test_a_photograph_under_a_voice_is_never_real(speech):
    heard = bool(speech)
    verdict = verdict_of(face(0, 100, has_audio=heard), tracks=[track(is_frozen=True)], speech_slots=speech)
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict)[0] == "frozen_picture" and "photograph" in verdict.reasons[0].text
    forged = verdict_of(
        face(0, 100, has_audio=heard, fused=3.0, video=3.0), tracks=[track(is_frozen=True)], speech_slots=speech
    )
    assert forged.label is Label.FAKE and "frozen_picture" in codes(forged)


def test_a_photograph_beside_a_genuine_speaker_does_not_make_the_file_inconclusive():
    """Even where the photograph would fit the sound better, and looks a little suspicious by itself."""
    speaker = face(0, 100, track=0, sync=-1.0)
    photograph = face(0, 100, track=1, sync=-3.0, video=0.0, fused=0.2)
    verdict = verdict_of(speaker + photograph, tracks=[track(0, lips=0.5), track(1, is_frozen=True, motion=0.0)])
    assert verdict.label is Label.REAL
    assert codes(verdict) == ["frozen_face", "several_faces"] and texts(verdict)[0].endswith("face 1")
    assert [one.active_speaker for one in verdict.faces] == [True, False]
    forged = face(0, 100, track=1, sync=-3.0, video=3.0)
    named = verdict_of(speaker + forged, tracks=[track(0, lips=0.5), track(1, is_frozen=True, motion=0.0)])
    assert named.label is Label.INCONCLUSIVE and codes(named)[0] == "face_evidence"


def test_a_photograph_beside_a_silent_film_of_a_genuine_face_does_not_count():
    scores = face(0, 100, track=0, has_audio=False) + face(0, 100, track=1, has_audio=False, video=0.0)
    made = {"tracks": [track(0), track(1, is_frozen=True)], "speech_slots": None}
    assert verdict_of(scores, **made).label is Label.REAL


def test_a_still_is_not_told_as_a_frozen_picture():
    made = {"tracks": [track(stop=1, is_frozen=True)], "slots": 1, "kind": MediaKind.IMAGE, "speech_slots": None}
    verdict = verdict_of([score(0, 1, has_audio=False)], **made)
    assert verdict.label is Label.REAL and codes(verdict) == ["no_audio", "still_image"]


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.ENCRYPTED, "encrypted"), (Outcome.CRASHED, "crashed"), (Outcome.PARTIAL, None)]
)
def test_what_kept_a_file_from_being_read_is_said_before_what_was_not_found_in_it(outcome, code):
    verdict = verdict_of([], tracks=[], speech_slots=0, coverage=0.29, outcome=outcome)
    expected = [code] if code else []
    assert codes(verdict) == [*expected, "low_coverage", "no_face", "no_speech"]
    assert texts(verdict)[-2] == "no face was found in what could be read of the picture"
    assert texts(verdict)[-1].startswith("what could be read of the sound has no speech")


def test_a_share_is_never_rounded_up_to_the_limit_that_it_is_under():
    verdict = verdict_of(face(0, 100), coverage=0.4999)
    assert texts(verdict)[0] == "only 49% of the file could be read; under 50% no verdict is given"


@pytest.mark.parametrize("outcome", [Outcome.ENCRYPTED, Outcome.CRASHED])
def test_what_a_crash_or_encryption_left_is_never_real(outcome):
    assert verdict_of(face(0, 100), outcome=outcome).label is Label.INCONCLUSIVE
    assert verdict_of(face(0, 100, fused=3.0), outcome=outcome).label is Label.FAKE


def test_a_genuine_picture_whose_sound_was_lost_is_never_real():
    scores = face(0, 100, has_audio=False)
    verdict = verdict_of(scores, speech_slots=None, has_audio=True)
    assert verdict.label is Label.INCONCLUSIVE and codes(verdict) == ["audio_unreadable"]
    assert verdict_of(scores, speech_slots=None).label is Label.REAL  # there never was any


def test_a_picture_of_which_nothing_decodes_is_not_told_as_one_without_a_face():
    verdict = verdict_of(face(0, 100, track=None), tracks=[], frames=0)
    assert verdict.label is Label.INCONCLUSIVE
    assert codes(verdict) == ["picture_unreadable", "picture_not_judged"]


def test_a_picture_of_a_few_frames_is_no_film():
    verdict = verdict_of(face(0, 100), frames=8)
    assert verdict.label is Label.INCONCLUSIVE
    assert texts(verdict)[0].startswith("the picture has 8 frames in 4.0 s, under 5 a second")


def test_joined_recordings_are_told_with_where():
    verdict = verdict_of(face(0, 100), joints=(50,))
    assert verdict.label is Label.REAL
    assert texts(verdict) == ["the time stamps jump at 2.00 s: 2 recordings in one file"]


def test_only_what_was_judged_is_said_to_be():
    assert texts(verdict_of([], tracks=[], speech_slots=None)) == [
        "no face was found in the picture",
        "the file has no sound",
    ]
    assert texts(verdict_of([], kind=MediaKind.AUDIO, speech_slots=0))[0] == "the file has no picture"
    assert "; only its picture was judged" in texts(verdict_of(face(0, 100, has_audio=False), speech_slots=None))[0]
    sound = face(0, 100, track=None)
    assert "; only its sound was judged" in texts(verdict_of(sound, kind=MediaKind.AUDIO))[0]


def test_a_long_face_that_is_too_small_is_not_told_as_one_that_is_too_short():
    tracks = [track(0, height_px=20.0), track(1, stop=5)]
    verdict = verdict_of([], tracks=tracks, speech_slots=None)
    assert "no face of 40 px and more is seen for more than 0.20 s" in verdict.streams["video"].reason


def test_a_probability_just_under_a_threshold_is_not_printed_as_the_threshold():
    spec = tiny_spec(operating_points={"fused": OperatingPoint(0.704225, 0.26)})
    verdict = verdict_of(face(0, 100, fused=float(np.log(0.6996 / 0.3004))), spec=spec)
    assert "0.700 lies between 0.260 (real below) and 0.704 (fake from)" in texts(verdict)[0]


def test_every_face_is_listed_with_its_own_probability_and_whether_it_speaks():
    speaker = face(0, 100, track=0, sync=-3.0, fused=-1.0)
    listener = face(0, 100, track=1, sync=4.0, video=1.0)
    verdict = verdict_of(speaker + listener, tracks=[track(0), track(1), track(2, height_px=20.0)])
    assert [one.active_speaker for one in verdict.faces] == [True, False, None]
    assert [one.probability_fake for one in verdict.faces] == pytest.approx(
        [1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(-1.0)), None]
    )


def test_a_speaker_whose_sound_is_late_speaks_all_the_same_and_a_dubbed_one_does_not():
    def talking(*offsets, motion=3.0):
        scores = [score(25 * i, sync=4.0, fused=4.0, offset=value) for i, value in enumerate(offsets)]
        return [one.active_speaker for one in verdict_of(scores, tracks=[track(motion=motion)]).faces]

    assert talking(0.2, 0.19, 0.21) == [True]
    assert talking(0.4, -0.12, 0.4) == [True]
    assert talking(0.77, -0.52, -0.98) == [False]
    assert talking(0.2, 0.19, 0.21, motion=0.1) == [False]


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
