# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.faces.records import FaceCrops
from cad.media.records import AudioSamples
from cad.speech import Speech
from cad.windows import MAX_GAP_SLOTS, WindowCutter, window_spans

WINDOW_SLOTS, HOP_SLOTS = 50, 25


def crops(first_slot: int, slots: int, track_id: int = 0, present: bool = True) -> FaceCrops:
    """Crops whose first pixel holds the slot's number, so that a window shows which slots it has."""
    pictures = np.zeros((slots, 160, 160, 3), np.uint8)
    pictures[:, 0, 0, 0] = np.arange(first_slot, first_slot + slots) % 256
    return FaceCrops(
        track_id=track_id,
        first_slot=first_slot,
        crops=pictures,
        present=np.full(slots, present),
        boxes_px=np.zeros((slots, 4), np.float32),
        points_px=np.zeros((slots, 5, 2), np.float32),
        scores=np.ones(slots, np.float32),
    )


def sound(slots: int, present: slice = slice(None)) -> Speech:
    """Sound whose every sample holds its slot's number."""
    there = np.zeros(slots, bool)
    there[present] = True
    return Speech.of_audio(AudioSamples(np.repeat(np.arange(slots), 640).astype(np.float32), there))


def cut(pushes: list[FaceCrops], audio: Speech | None = None, min_slots: int = 12):
    cutter = WindowCutter(audio, WINDOW_SLOTS, HOP_SLOTS, min_slots)
    windows = [window for one in pushes for window in cutter.push(one)]
    return windows + list(cutter.flush())


def in_chunks(slots: int, size: int, track_id: int = 0) -> list[FaceCrops]:
    return [crops(start, min(size, slots - start), track_id) for start in range(0, slots, size)]


@settings(max_examples=25, deadline=None)
@given(slots=st.integers(12, 240), size=st.integers(1, 60))
def test_the_windows_of_a_track_do_not_depend_on_how_it_was_pushed(slots, size):
    windows = cut(in_chunks(slots, size))
    spans = window_spans(0, slots, WINDOW_SLOTS, HOP_SLOTS)
    assert [(w.first_slot, w.first_slot + len(w.frames)) for w in windows] == spans
    for window in windows:
        slots_shown = window.frames[:, 0, 0, 0]
        np.testing.assert_array_equal(slots_shown, np.arange(window.first_slot, window.first_slot + len(slots_shown)))


@given(first=st.integers(0, 50), length=st.integers(1, 500))
def test_spans_cover_everything_and_only_that(first, length):
    spans = window_spans(first, first + length, WINDOW_SLOTS, HOP_SLOTS)
    covered = np.zeros(first + length, int)
    for start, stop in spans:
        covered[start:stop] += 1
        assert stop - start == min(WINDOW_SLOTS, length)
    assert (covered[first:] > 0).all() and not covered[:first].any()
    assert spans == sorted(set(spans))


def test_sound_and_picture_of_a_window_are_of_the_same_slots():
    windows = cut(in_chunks(110, 25), sound(110))
    for window in windows:
        np.testing.assert_array_equal(window.audio[::640], np.arange(window.first_slot, window.first_slot + 50))
        assert window.audio_present.all() and window.frames_present.all()


def test_sound_that_ends_early_is_absent_not_invented():
    window = cut(in_chunks(50, 25), sound(30))[0]
    assert window.audio_present.sum() == 30
    assert not window.audio[30 * 640 :].any()


def test_a_track_shorter_than_the_model_can_judge_gives_no_window():
    assert cut([crops(0, 11)]) == []
    assert len(cut([crops(0, 12)])) == 1
    assert len(cut([crops(0, 1)], min_slots=1)) == 1


def test_tracks_are_cut_by_themselves():
    pushes = [one for start in range(0, 100, 25) for one in (crops(start, 25, 0), crops(start, 25, 1))]
    windows = cut(pushes)
    assert [w.first_slot for w in windows if w.track_id == 0] == [0, 25, 50]
    assert [w.first_slot for w in windows if w.track_id == 1] == [0, 25, 50]


def test_a_short_gap_is_marked_absent_and_a_long_one_cuts_the_track():
    windows = cut([crops(0, 30), crops(40, 30)])
    assert [w.first_slot for w in windows] == [0, 20]
    assert not windows[0].frames_present[30:40].any() and windows[0].frames_present[:30].all()
    far = 30 + MAX_GAP_SLOTS + 1
    windows = cut([crops(0, 30), crops(far, 30)])
    assert [(w.first_slot, len(w.frames)) for w in windows] == [(0, 30), (far, 30)]


def test_no_window_reaches_across_a_joint():
    def spans(joint_slots, pushes):
        cutter = WindowCutter(sound(130), WINDOW_SLOTS, HOP_SLOTS, 12, joint_slots)
        windows = [window for one in pushes for window in cutter.push(one)] + list(cutter.flush())
        return [(w.first_slot, w.first_slot + len(w.frames_present), w.track_id) for w in windows]

    faces = [*in_chunks(60, 20), crops(60, 20, 1)]
    assert (25, 75, 0) in spans((), in_chunks(80, 20)), "without a joint there are windows there"
    for pushes in (faces, in_chunks(80, 20), [crops(0, 80)], []):
        for first, stop, _ in spans((60,), pushes):
            assert stop <= 60 or first >= 60
    # The sound beyond the face, and all of it without one, is cut at the joint as well.
    assert {(first, stop) for first, stop, track in spans((110,), in_chunks(80, 20)) if track is None} == {
        (80, 110),
        (110, 130),
    }


def test_the_same_slot_twice_is_a_mistake_of_the_caller():
    cutter = WindowCutter(None, WINDOW_SLOTS, HOP_SLOTS, 12)
    cutter.push(crops(0, 30))
    with pytest.raises(ValueError, match="slot 29"):
        cutter.push(crops(29, 5))


def test_a_face_that_went_away_is_finished_while_others_go_on():
    cutter = WindowCutter(None, WINDOW_SLOTS, HOP_SLOTS, 12)
    cutter.push(crops(0, 30, track_id=0))
    assert cutter.advance(30 + MAX_GAP_SLOTS) == []
    cutter.push(crops(50, 25, track_id=1))
    assert [(w.track_id, w.first_slot) for w in cutter.advance(31 + MAX_GAP_SLOTS)] == [(0, 0)]
    assert [w.track_id for w in cutter.flush()] == [1]


def test_what_is_held_is_bounded_by_a_window_and_a_hop():
    cutter = WindowCutter(None, WINDOW_SLOTS, HOP_SLOTS, 12)
    held = 0
    for start in range(0, 2000, 25):
        cutter.push(crops(start, 25))
        held = max(held, sum(len(track.crops) for track in cutter._open.values()))
    assert held <= WINDOW_SLOTS + HOP_SLOTS


def test_short_shots_of_many_faces_are_not_held_for_long():
    cutter = WindowCutter(None, WINDOW_SLOTS, HOP_SLOTS, 12)
    held = 0
    for shot in range(40):
        cutter.advance(25 * shot)
        for one in range(4):
            cutter.push(crops(25 * shot, 25, track_id=4 * shot + one))
            held = max(held, sum(len(track.crops) for track in cutter._open.values()))
    assert held <= 4 * (MAX_GAP_SLOTS + 2 * 25)


def test_sound_without_picture_gives_windows_without_picture():
    windows = cut([], sound(120))
    assert [w.first_slot for w in windows] == [first for first, _ in window_spans(0, 120, WINDOW_SLOTS, HOP_SLOTS)]
    assert all(w.track_id is None and not w.frames_present.any() for w in windows)


def test_windows_of_sound_start_where_the_speech_starts():
    windows = cut([], sound(200, slice(40, 130)))
    assert [w.first_slot for w in windows] == [first for first, _ in window_spans(40, 130, WINDOW_SLOTS, HOP_SLOTS)]


def test_sound_beside_a_face_is_not_cut_twice():
    windows = cut(in_chunks(60, 25), sound(200))
    alone = [w for w in windows if w.track_id is None]
    assert min(w.first_slot for w in alone) == 60
    assert max(w.first_slot + len(w.audio_present) for w in alone) == 200


def test_an_hour_of_sound_alone_costs_no_pictures():
    window = next(WindowCutter(sound(200), WINDOW_SLOTS, HOP_SLOTS, 12).flush())
    assert window.frames.base is not None and window.frames.strides == (0, 0, 0, 0)
