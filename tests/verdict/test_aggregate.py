# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from made_analysis import face, score, track

from cad.verdict.aggregate import aggregate

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
