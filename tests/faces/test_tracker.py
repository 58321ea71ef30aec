# SPDX-License-Identifier: Apache-2.0
"""Following, cuts, gaps and bookkeeping, on drawn heads whose places are known."""

from __future__ import annotations

import numpy as np
import pytest
from scripted import HEIGHT, WIDTH, Head, ScriptedFinder, chunks, draw, face_of

from cad.errors import OptionError
from cad.faces.records import FaceCrops
from cad.faces.tracker import COPIED_BYTES, LAG_SLOTS, FaceTracker
from cad.media.records import VideoFrames


def _follow(frames: list[np.ndarray | None], size: int = 25, **options: object) -> dict[int, FaceCrops]:
    """Push all and return one joined record a track, checking that its pieces join without a gap."""
    tracker = FaceTracker(finder=options.pop("finder", None) or ScriptedFinder(), **options)
    pieces: list[FaceCrops] = []
    for chunk in chunks(frames, size):
        pieces += tracker.push(chunk)
    pieces += tracker.flush()
    joined: dict[int, FaceCrops] = {}
    for piece in pieces:
        before = joined.get(piece.track_id)
        if before is None:
            joined[piece.track_id] = piece
            continue
        assert piece.first_slot == before.first_slot + len(before.present)
        parts = {
            name: np.concatenate([getattr(before, name), getattr(piece, name)])
            for name in ("crops", "present", "boxes_px", "points_px", "scores")
        }
        joined[piece.track_id] = FaceCrops(piece.track_id, before.first_slot, **parts)
    return joined


def test_still_head_is_one_track_from_first_slot_to_last() -> None:
    tracks = _follow([draw([Head(160, 120)])] * 60)
    assert list(tracks) == [0]
    track = tracks[0]
    assert (track.first_slot, len(track.present)) == (0, 60)
    assert track.present.all() and track.crops.shape == (60, 160, 160, 3)
    assert np.allclose(track.points_px, face_of(160, 120, 30).points_px, atol=0.6)
    assert np.allclose(track.scores, 0.9)


@pytest.mark.parametrize("size", [1, 7, 25, 100])
def test_chunk_size_changes_nothing(size: int) -> None:
    frames = [draw([Head(60 + 2 * i, 120 + 20 * np.sin(i / 6))]) for i in range(70)]
    whole, parts = _follow(frames)[0], _follow(frames, size)[0]
    assert np.array_equal(whole.crops, parts.crops) and np.array_equal(whole.points_px, parts.points_px)


def test_crops_stay_centred_on_a_swaying_head() -> None:
    # Side to side by nearly a face width at 1.2 Hz.
    places = [160 + 25 * np.sin(2 * np.pi * 1.2 * i / 25) for i in range(75)]
    track = _follow([draw([Head(x, 120)]) for x in places])[0]
    assert track.present.all() and len(track.present) == 75
    away = np.abs(track.points_px.mean(axis=1)[:, 0] - face_of(0, 120, 30).points_px.mean(axis=0)[0] - places)
    # The filter rounds the turning points off by a tenth of the amplitude; it does not lag.
    assert away.max() < 0.16 * 25
    assert np.median(away) < 0.08 * 25


def test_head_that_leaps_is_searched_for_and_stays_one_track() -> None:
    # By more than a look reaches, in one slot, and back.
    places = [100] * 20 + [128] * 20 + [100] * 20
    track = _follow([draw([Head(x, 120)]) for x in places])[0]
    assert track.present.all() and len(track.present) == 60


def test_track_never_crosses_a_cut() -> None:
    # The same head at the same place, in another room.
    frames = [draw([Head(160, 120)], seed=1)] * 33 + [draw([Head(160, 120)], seed=2)] * 40
    tracks = _follow(frames)
    assert [(track.first_slot, len(track.present)) for track in tracks.values()] == [(0, 33), (33, 40)]
    assert list(tracks) == [0, 1]


def test_track_never_crosses_a_joint() -> None:
    frames = [draw([Head(160, 120)], seed=1)] * 73
    tracks = _follow(frames, joint_slots=(33,))
    assert [(track.first_slot, len(track.present)) for track in tracks.values()] == [(0, 33), (33, 40)]
    assert len(_follow(frames)) == 1


def test_a_track_ends_where_pictures_are_left_out() -> None:
    tracker = FaceTracker(finder=ScriptedFinder())
    frames = np.stack([draw([Head(160, 120)], seed=1)] * 25)
    present = np.ones(25, np.bool_)
    pieces = tracker.push(VideoFrames(0, frames, present)) + tracker.push(VideoFrames(90_000, frames, present))
    pieces += tracker.flush()
    assert {(piece.track_id, piece.first_slot >= 90_000) for piece in pieces} == {(0, False), (1, True)}
    assert sum(len(piece.present) for piece in pieces) == 50


def test_last_slots_before_a_cut_are_seen_not_guessed() -> None:
    places = [60 + 4 * i for i in range(33)]
    frames = [draw([Head(x, 120)], seed=1) for x in places] + [draw([], seed=2)] * 20
    track = _follow(frames)[0]
    assert len(track.present) == 33
    assert np.allclose(track.points_px.mean(axis=1)[:, 0] - places, track.points_px[0].mean(axis=0)[0] - 60, atol=1.0)


def test_two_people_are_two_tracks_largest_first() -> None:
    tracks = _follow([draw([Head(80, 120, 20, 1), Head(230, 120, 35, 0)])] * 30)
    heights = [float(np.diff(track.boxes_px[0, [1, 3]])[0]) for track in tracks.values()]
    assert len(heights) == 2 and heights[0] > heights[1]


def test_people_who_come_close_keep_their_tracks() -> None:
    frames = [draw([Head(60 + i, 120, 30, 0), Head(260 - i, 120, 30, 1)]) for i in range(60)]
    tracks = _follow(frames)
    assert len(tracks) == 2
    steps = {float(np.sign(track.points_px[-1, 0, 0] - track.points_px[0, 0, 0])) for track in tracks.values()}
    assert steps == {1.0, -1.0}
    assert all(len(track.present) == 60 for track in tracks.values())


def test_short_cover_is_bridged_and_long_absence_is_said() -> None:
    seen, hidden = draw([Head(160, 120)]), draw([])
    short = _follow([seen] * 23 + [hidden] * 4 + [seen] * 23)[0]
    assert len(short.present) == 50 and short.present.all()
    long = _follow([seen] * 20 + [hidden] * 20 + [seen] * 20)
    assert list(long) == [0]
    absent = ~long[0].present
    assert absent[21:39].all() and not absent[:15].any() and not absent[-15:].any()
    assert not long[0].crops[absent].any()


def test_absence_of_more_than_a_second_starts_another_track() -> None:
    seen, hidden = draw([Head(160, 120)]), draw([])
    tracks = _follow([seen] * 20 + [hidden] * 45 + [seen] * 30)
    assert list(tracks) == [0, 1]
    assert len(tracks[0].present) <= 20 and tracks[1].first_slot >= 65


def test_missing_frames_are_absent() -> None:
    frames: list[np.ndarray | None] = [draw([Head(160, 120)])] * 40
    frames[10:13] = [None] * 3
    track = _follow(frames)[0]
    assert np.flatnonzero(~track.present).tolist() == [10, 11, 12]


def test_glimpse_is_dropped_but_a_short_file_is_not() -> None:
    seen, hidden = draw([Head(160, 120)]), draw([])
    assert _follow([seen] * 6 + [hidden] * 50) == {}
    assert _follow([hidden] * 30) == {}
    assert len(_follow([seen] * 6)[0].present) == 6
    assert len(_follow([seen])[0].present) == 1


def test_who_enters_later_is_found() -> None:
    frames = [draw([Head(100, 120)])] * 24 + [draw([Head(100, 120), Head(240, 100, 28, 2)])] * 40
    tracks = _follow(frames)
    assert 24 <= tracks[1].first_slot <= 34
    assert tracks[0].present.all() and tracks[1].present.all()


def test_crops_for_training_have_their_margin() -> None:
    frames = [draw([Head(160, 120)])] * 20
    wide, plain = _follow(frames, size_px=192, margin_px=16)[0], _follow(frames)[0]
    assert wide.crops.shape == (20, 192, 192, 3)
    assert np.abs(wide.crops[:, 16:-16, 16:-16].astype(int) - plain.crops).mean() < 1.0
    with pytest.raises(OptionError, match="margin"):
        FaceTracker(size_px=100, margin_px=50, finder=ScriptedFinder())


def test_at_most_so_many_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad.faces.tracker.MAX_FACES", 2)
    heads = [Head(50, 120, 20, 0), Head(150, 120, 30, 1), Head(260, 120, 40, 2)]
    assert len(_follow([draw(heads)] * 20)) == 2


def test_a_slot_twice_is_refused() -> None:
    tracker = FaceTracker(finder=ScriptedFinder())
    chunk = chunks([draw([])] * 5)[0]
    tracker.push(chunk)
    with pytest.raises(ValueError, match="in order"):
        tracker.push(chunk)


def test_memory_is_bounded_by_the_lag() -> None:
    tracker = FaceTracker(finder=ScriptedFinder())
    frame = draw([Head(160, 120)])
    for first in range(0, 500, 25):
        tracker.push(VideoFrames(first, np.stack([frame] * 25), np.ones(25, bool)))
        assert len(tracker._held) + len(tracker._spare) <= LAG_SLOTS + 1
        # Owned copies: the reader uses the chunk's memory again.
        assert all(held.base is None and held.shape == (HEIGHT, WIDTH, 3) for held in tracker._held.values())


def test_chunk_memory_may_be_used_again() -> None:
    frames = [draw([Head(100 + i, 120)]) for i in range(60)]
    expected = _follow(frames)[0]
    tracker = FaceTracker(finder=ScriptedFinder())
    block, pieces = np.zeros((25, HEIGHT, WIDTH, 3), np.uint8), []
    for chunk in chunks(frames):
        block[: len(chunk.frames)] = chunk.frames
        pieces += tracker.push(VideoFrames(chunk.first_slot, block[: len(chunk.frames)], chunk.present))
        block[:] = 0
    pieces += tracker.flush()
    assert np.array_equal(np.concatenate([piece.crops for piece in pieces]), expected.crops)


def test_calm_picture_costs_few_looks_and_a_lively_one_more() -> None:
    calm, lively = ScriptedFinder(), ScriptedFinder()
    _follow([draw([Head(160, 120)])] * 100, finder=calm)
    _follow([draw([Head(160 + 50 * np.sin(i / 2), 120)]) for i in range(100)], finder=lively)
    assert calm.searches <= 11 and calm.looks <= 25
    assert lively.looks > 2 * calm.looks


def test_large_pictures_are_held_where_they_are_and_crops_come_from_them() -> None:
    frames = [np.repeat(np.repeat(draw([Head(100 + i, 120)]), 2, axis=0), 2, axis=1) for i in range(40)]
    tracker = FaceTracker(finder=ScriptedFinder())
    for chunk in chunks(frames, 5):
        tracker.push(chunk)
        assert chunk.frames[0].nbytes > COPIED_BYTES
        assert any(held.base is chunk.frames or held.base is chunk.frames.base for held in tracker._held.values())
        assert len(tracker._held) <= LAG_SLOTS and not tracker._spare
