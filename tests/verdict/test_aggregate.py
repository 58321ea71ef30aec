# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from made_analysis import face, score, track

from cad.verdict.aggregate import aggregate
from cad.windows import window_spans

SLOTS = 100


def clip_logits(scores, tracks=None, slots=SLOTS):
    return aggregate(scores, [track(stop=slots)] if tracks is None else tracks, slots, 12).clip_logits


def test_a_slot_that_two_windows_cover_counts_once():
    # Slots 0-25 have the first window, 25-50 both, 50-75 the second: (25 * 0 + 25 * 3 + 25 * 6) / 75.
    scores = [score(0, video=0.0), score(25, video=6.0)]
    assert clip_logits(scores, slots=75)["video"] == pytest.approx(3.0)
    # A last window aligned to the end must not weigh more because it overlaps.
    scores = [score(0, video=0.0), score(10, video=6.0)]
    assert clip_logits(scores, slots=60)["video"] == pytest.approx((40 * 3.0 + 10 * 6.0) / 60)


def test_slots_without_evidence_do_not_count():
    half = np.arange(50) < 30
    scores = [score(0, audio=1.0, audio_present=half), score(50, audio=4.0)]
    assert clip_logits(scores)["audio"] == pytest.approx((30 * 1.0 + 50 * 4.0) / 80)


def test_a_stream_that_was_never_there_is_none():
    silent = clip_logits([score(has_audio=False, audio=9.0, sync=9.0)])
    assert silent["audio"] is None and silent["sync"] is None and silent["fused"] is None
    assert silent["video"] == pytest.approx(-2.0)
    sound = clip_logits([score(track=None)], [])
    assert sound["video"] is None and sound["sync"] is None and sound["fused"] is None
    assert sound["audio"] == pytest.approx(-2.0)
    assert all(value is None for value in clip_logits([], []).values())


def test_the_picture_is_that_of_the_worst_face_seen_at_once():
    scores = face(0, SLOTS, track=0, video=-3.0) + face(0, SLOTS, track=1, video=2.0)
    tracks = [track(0), track(1)]
    assert clip_logits(scores, tracks)["video"] == pytest.approx(2.0)


def test_faces_one_after_the_other_are_pooled_over_time_not_picked():
    scores = face(0, 50, track=0, video=-3.0) + face(50, SLOTS, track=1, video=2.0)
    tracks = [track(0, 0, 50), track(1, 50, 100)]
    assert clip_logits(scores, tracks)["video"] == pytest.approx(-0.5)


def test_synchrony_is_that_of_the_face_that_fits_and_fused_goes_with_it():
    speaker = face(0, SLOTS, track=0, sync=-3.0, fused=-2.0)
    listener = face(0, SLOTS, track=1, sync=4.0, fused=5.0, video=-1.0)
    evidence = aggregate(speaker + listener, [track(0), track(1)], SLOTS, 12)
    assert evidence.clip_logits["sync"] == pytest.approx(-3.0)
    assert evidence.clip_logits["fused"] == pytest.approx(-2.0)
    assert evidence.listeners_video == pytest.approx(-1.0)
    assert [one.carries_sound for one in evidence.faces] == [True, False]
    assert evidence.faces[1].fused is None


def test_lips_that_follow_the_loudness_speak_for_a_face_that_fits_a_little_worse():
    scores = face(0, 100, track=0, sync=-1.0, fused=-5.0) + face(0, 100, track=1, sync=-0.5, fused=2.0)
    still, moving = track(0, lips=0.0), track(1, lips=0.5)
    assert clip_logits(scores, [still, moving])["fused"] == pytest.approx(2.0)
    assert clip_logits(scores, [still, moving])["sync"] == pytest.approx(-0.5)
    # Loudness alone does not make a speaker of lips that fit much worse.
    worse = face(0, 100, track=0, sync=-3.0, fused=-5.0) + face(0, 100, track=1, sync=-0.5, fused=2.0)
    assert clip_logits(worse, [still, moving])["fused"] == pytest.approx(-5.0)


def test_two_who_take_turns_both_carry_the_sound_each_in_their_own_time():
    first = face(0, 50, track=0, sync=-3.0, fused=-2.0) + face(50, 100, track=0, sync=3.0, fused=9.0)
    second = face(0, 50, track=1, sync=3.0, fused=9.0) + face(50, 100, track=1, sync=-3.0, fused=-4.0)
    evidence = aggregate(first + second, [track(0), track(1)], SLOTS, 12)
    assert [one.carries_sound for one in evidence.faces] == [True, True]
    assert [one.fused for one in evidence.faces] == pytest.approx([-2.0, -4.0])
    assert evidence.clip_logits["fused"] == pytest.approx(-3.0)


def test_small_and_short_faces_are_not_judged():
    scores = face(0, SLOTS, track=0, video=5.0) + face(0, SLOTS, track=1, video=-5.0)
    assert clip_logits(scores, [track(0, height_px=39.0), track(1)])["video"] == pytest.approx(-5.0)
    assert clip_logits(scores, [track(0, stop=11), track(1)])["video"] == pytest.approx(-5.0)


def test_sound_is_judged_also_where_no_face_is_seen():
    scores = [score(0, audio=0.0), score(50, track=None, audio=4.0)]
    assert clip_logits(scores, [track(stop=50)])["audio"] == pytest.approx(2.0)


def peaks(scores, tracks=None, slots=SLOTS, joints=()):
    tracks = [track(stop=slots)] if tracks is None else tracks
    return aggregate(scores, tracks, slots, 12, joints).peaks


def talk(slots: int, forged: tuple[int, int] | None = None, **high: float) -> list:
    """Windows of one face and its voice; those inside ``forged`` have the logits of ``high``."""
    first, stop = forged or (0, 0)
    return [
        score(start, end - start, **(high if first <= start and end <= stop else {}))
        for start, end in window_spans(0, slots, 50, 25)
    ]


def test_a_short_forgery_in_a_long_talk_is_a_peak_where_the_mean_says_nothing():
    evidence = aggregate(talk(750, (300, 400), audio=5.0), [track(stop=750)], 750, 12)
    assert evidence.clip_logits["audio"] < -1.0
    (peak, *longer) = [one for one in evidence.peaks if one.stream == "audio"]
    assert peak.logit == pytest.approx(5.0) and peak.track_id is None and peak.faces == 1
    assert 300 <= peak.first_slot < peak.stop_slot <= 400 and peak.stop_slot - peak.first_slot == 50
    assert [one.stop_slot - one.first_slot for one in longer] == [100, 200]
    # Fifteen places for two seconds, fewer for more, and a long mean strays less.
    assert peak.chances == pytest.approx(15.0)
    assert [one.chances for one in longer] == pytest.approx([7.5**0.5**0.5, 3.75**0.5])
    assert all(one.logit < 0 for one in evidence.peaks if one.stream == "video")


def test_a_file_of_one_or_two_windows_has_no_peaks():
    assert peaks(talk(75), slots=75) == () and peaks(talk(50), slots=50) == ()
    assert peaks([score(0, 1, has_audio=False)], [track(stop=1)], 1) == ()


def test_the_peak_of_the_picture_is_that_of_one_face_among_all():
    scores = face(0, 200, track=0, video=-2.0) + face(100, 200, track=1, video=3.0) + face(0, 10, track=2, video=9.0)
    found = peaks(scores, [track(0, 0, 200), track(1, 100, 200), track(2, 0, 10)], 200)
    first = next(one for one in found if one.stream == "video")
    assert (first.track_id, first.logit, first.faces) == (1, pytest.approx(3.0), 2)
    assert first.first_slot >= 100 and first.stop_slot <= 200
    assert first.chances == pytest.approx((200 + 100) / 2 / 50)


def test_no_peak_crosses_a_joint():
    scores = talk(400, (100, 200), audio=5.0)
    whole = [one for one in peaks(scores, slots=400) if one.stream == "audio"]
    parts = [one for one in peaks(scores, slots=400, joints=(150,)) if one.stream == "audio"]
    assert any(one.first_slot < 150 < one.stop_slot for one in whole)
    assert parts and not any(one.first_slot < 150 < one.stop_slot for one in parts)


def test_faces_at_once_are_counted_over_time():
    scores = face(0, 100, track=0) + face(50, 100, track=1)
    evidence = aggregate(scores, [track(0), track(1, 50, 100)], SLOTS, 12)
    assert evidence.faces_at_once == pytest.approx(2**0.5)
    assert aggregate([], [], SLOTS, 12).faces_at_once == 1.0
