# SPDX-License-Identifier: Apache-2.0
"""Films of thousands of short shots: the same answers as with a line over the whole file for every face, for less."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import plain_pooling
import pytest
from benchmarks.film import SCORES, fresh
from benchmarks.film_scores import SHOT_SLOTS, SPEC, film_analysis, film_scores, film_tracks
from hypothesis import given
from hypothesis import strategies as st
from made_analysis import score, track

from cad.faces import track_book
from cad.faces.active_speaker import LEAST_SLOTS, MAX_LAG_SLOTS, _rank_correlation, lip_score
from cad.faces.records import FaceCrops
from cad.faces.stillness import LEAST_SLOTS as LEAST_STILL_SLOTS
from cad.faces.track_book import ENDED_SLOTS, FacePicture, TrackBook
from cad.report.html import MAX_FACES_SHOWN, page_end, page_start, verdict_section
from cad.scores import PackedScores
from cad.spec import HEADS, STREAMS
from cad.verdict.aggregate import aggregate
from cad.verdict.judge import judge
from cad.verdict.timeline import stream_timelines
from cad.windows import WindowScore


def close(value: float | None, within: float = 1e-12):
    """What equals a number but for rounding, or None."""
    return value if value is None else pytest.approx(value, rel=within, abs=within)


@st.composite
def films(draw):
    """Scores and tracks of a film in which faces come and go, and its joints."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    slots = draw(st.sampled_from([30, 120, 400]))
    heads = draw(st.sampled_from([HEADS, HEADS, ("video", "audio"), ("fused",)]))

    def window(first: int, length: int, track_id: int | None) -> WindowScore:
        logits = {head: float(rng.normal(0, 3)) if head in heads else np.nan for head in HEADS}
        made = score(
            first, length, track_id, **logits, has_video=rng.random() < 0.9, has_audio=rng.random() < 0.8,
            offset=float(rng.normal()), frames_present=rng.random(length) < 0.9,
            audio_present=rng.random(length) < 0.7,
        )  # fmt: skip
        frames = {one: rng.normal(logits[one] if one in heads else np.nan, 1, length) for one in STREAMS}
        return replace(made, frame_logits={one: line.astype(np.float32) for one, line in frames.items()})

    scores, tracks = [], []
    for track_id in range(draw(st.integers(0, 12))):
        first = int(rng.integers(slots))
        stop = min(slots, first + int(rng.integers(1, slots)))
        tracks.append(
            track(
                track_id, first, stop, rng.choice([120.0, 39.0]), rng.choice([0.0, 0.4]), 3.0, rng.random() < 0.2,
            )
        )  # fmt: skip
        for _ in range(int(rng.integers(4))):
            begin = int(rng.integers(first, stop))
            scores.append(window(begin, min(stop - begin, int(rng.integers(1, 60))), track_id))
    for _ in range(draw(st.integers(0, 3))):
        begin = int(rng.integers(slots))
        scores.append(window(begin, min(slots - begin, 50), None))
    rng.shuffle(scores)
    return scores, tracks, slots, tuple(sorted(set(rng.integers(1, slots, 2).tolist())))


@given(films())
def test_lines_over_a_face_s_own_time_say_what_lines_over_the_file_do(film):
    scores, tracks, slots, joints = film
    plain = plain_pooling.pooled(scores, tracks, slots, 12, joints)
    found = aggregate(PackedScores(scores), tracks, slots, 12, joints)
    for head in HEADS:
        assert found.clip_logits[head] == close(plain[head])
    assert found.listeners_video == close(plain["listeners"])
    assert found.faces_at_once == close(plain["faces_at_once"])
    assert len(found.faces) == len(plain["faces"])
    for one, (track_id, carries, *logits) in zip(found.faces, plain["faces"], strict=True):
        assert (one.track_id, one.carries_sound) == (track_id, carries)
        assert [one.video, one.sync, one.fused] == [close(logit) for logit in logits]
    assert len(found.peaks) == len(plain["peaks"])
    for one, (stream, first, stop, track_id, *figures) in zip(found.peaks, plain["peaks"], strict=True):
        assert (one.stream, one.first_slot, one.stop_slot, one.track_id) == (stream, first, stop, track_id)
        assert [one.logit, one.chances, one.faces] == [close(figure) for figure in figures]
    for stream, line in plain_pooling.streams(scores, slots).items():
        np.testing.assert_allclose(stream_timelines(scores, slots)[stream], line, rtol=1e-12, atol=1e-12)


@given(films())
def test_packed_scores_are_the_scores(film):
    scores = film[0]
    packed = PackedScores(scores)
    assert list(packed) == scores and len(packed) == len(scores)
    assert [packed[place] for place in range(len(scores))] == scores and packed[1:3] == tuple(scores[1:3])
    assert packed == PackedScores(scores) and hash(packed) == hash(PackedScores(scores))
    assert (packed == PackedScores(scores[:-1])) is (not scores)


def test_a_packed_score_costs_less_than_a_kilobyte():
    tracemalloc.start()
    try:
        kept = PackedScores(film_scores(2000, 8))
        assert tracemalloc.get_traced_memory()[0] < 1000 * len(kept)
    finally:
        tracemalloc.stop()


def test_two_hours_with_a_cut_every_two_seconds_cost_no_more_than_their_scores():
    # 88 MiB were measured, with Python and NumPy in them; a line over the file for every face makes 20 GB of it.
    found = fresh(SCORES, "3600")
    assert found["slots"] == 180_000 and found["parent_mib"] < 150


def test_a_crowd_costs_as_much_as_its_faces_are_seen():
    # 16 faces in every shot of ten minutes, more tracks than two hours with one have.
    found = fresh(SCORES, "4800", "16")
    assert found["slots"] == 15_000 and found["parent_mib"] < 150


@pytest.fixture(scope="module")
def film():
    tracks = 3600
    analysis = film_analysis(PackedScores(film_scores(tracks, 1)), film_tracks(tracks, 1), tracks * SHOT_SLOTS)
    return analysis, judge(analysis, SPEC)


def test_a_page_shows_the_most_suspicious_faces_of_thousands_and_json_has_all(film):
    _, verdict = film
    pictures = {face.track_id: [FacePicture(SHOT_SLOTS * face.track_id, bytes(2500))] * 16 for face in verdict.faces}
    page = page_start() + verdict_section(verdict, pictures) + page_end()
    assert len(page.encode()) < 5_000_000
    assert page.count("<figure") == 16 * MAX_FACES_SHOWN
    assert f"The {MAX_FACES_SHOWN} most suspicious of 3,600 faces, of which 3,600 were judged" in page
    ranked = sorted(verdict.faces, key=lambda face: -face.probability_fake)
    places = [page.index(f"<p>Face {face.track_id}:") for face in ranked[:MAX_FACES_SHOWN]]
    assert places == sorted(places)
    assert f"<p>Face {ranked[MAX_FACES_SHOWN].track_id}:" not in page
    assert len(json.loads(verdict.to_json())["faces"]) == 3600


def test_reasons_name_a_few_of_thousands_of_faces_and_count_the_rest(film):
    analysis, verdict = film
    (text,) = [reason.text for reason in verdict.reasons if reason.code == "face_evidence"]
    above = sum(face.probability_fake >= 0.9 for face in verdict.faces)
    assert above > 20 and text.endswith(f" and {above - 9} more")
    still = replace(analysis, tracks=tuple(replace(one, is_frozen=one.track_id > 0) for one in analysis.tracks))
    (text,) = [reason.text for reason in judge(still, SPEC).reasons if reason.code == "frozen_face"]
    assert text.endswith("face 1, 2, 3, 4, 5, 6, 7, 8 and 3591 more")


def crops_of(track_id: int, first: int, pictures: np.ndarray) -> FaceCrops:
    slots = len(pictures)
    return FaceCrops(
        track_id=track_id,
        first_slot=first,
        crops=pictures,
        present=np.ones(slots, bool),
        boxes_px=np.tile(np.float32([0, 0, 90, 120]), (slots, 1)),
        points_px=np.zeros((slots, 5, 2), np.float32),
        scores=np.ones(slots, np.float32),
    )


def moving(rng: np.random.Generator, slots: int) -> np.ndarray:
    coarse = rng.integers(0, 256, (slots, 20, 20, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 8, 8, 1), np.uint8))


def test_a_face_that_has_gone_costs_a_few_kilobytes(rng):
    # What decides whether it moves is 0.1 MB a face; in two hours of short shots that was 300 MB.
    pictures = moving(rng, 50)
    book = TrackBook(keep_pictures=False)
    tracemalloc.start()
    try:
        for track_id in range(10):
            book.note(crops_of(track_id, 50 * track_id, pictures))
        begun = tracemalloc.get_traced_memory()[0]
        for track_id in range(10, 60):
            book.note(crops_of(track_id, 50 * track_id, pictures))
        assert tracemalloc.get_traced_memory()[0] - begun < 50 * 5000
    finally:
        tracemalloc.stop()
    seen = book.summaries(None)
    assert len(seen) == 60 and all((one.seen_slots, one.height_px) == (50, 120.0) for one in seen)


def test_what_is_said_of_a_face_does_not_change_when_it_has_gone(rng):
    still, lively = np.repeat(moving(rng, 1), LEAST_STILL_SLOTS, axis=0), moving(rng, LEAST_STILL_SLOTS)
    alone, gone = TrackBook(False), TrackBook(False)
    for book in (alone, gone):
        book.note(crops_of(0, 0, still))
        book.note(crops_of(1, 0, lively))
    later = LEAST_STILL_SLOTS + ENDED_SLOTS + 1
    gone.note(crops_of(2, later, lively[:5]))
    assert gone.summaries(None)[:2] == alone.summaries(None)
    assert [one.is_frozen for one in alone.summaries(None)] == [True, False]
    with pytest.raises(ValueError, match=r"track 0 .* has ended"):
        gone.note(crops_of(0, later + 5, still[:5]))


def test_so_many_faces_share_the_pictures_that_are_kept(rng, monkeypatch):
    monkeypatch.setattr(track_book, "MAX_PICTURES_OF_ALL", 40)
    book, pictures = TrackBook(True), moving(rng, 50)
    kept = []
    for track_id in range(30):
        book.note(crops_of(track_id, 50 * track_id, pictures))
        kept.append(sum(map(len, book.pictures().values())))
    assert kept[:4] == [10, 20, 30, 40] and max(kept) <= 40
    assert set(book.pictures()) == set(range(30)), "every face keeps one"


@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.sampled_from([0, 40, 300, 500]))
def test_lips_are_compared_with_the_sound_around_them_as_with_that_of_the_whole_file(seed, first, heard):
    rng = np.random.default_rng(seed)
    slots = first + np.flatnonzero(rng.random(60) < 0.8)
    motion = rng.uniform(0.5, 4, len(slots))
    loudness = np.where(rng.random(heard) < 0.8, rng.normal(-30, 10, heard), np.nan)
    moving, loud = np.full(600, np.nan), np.full(600, np.nan)
    moving[slots], loud[:heard] = motion, loudness
    lags = range(-MAX_LAG_SLOTS, MAX_LAG_SLOTS + 1)
    both = int((np.isfinite(moving) & np.isfinite(loud)).sum())
    best = max(_rank_correlation(moving, loud, lag) for lag in lags) if both >= LEAST_SLOTS else 0.0
    found = lip_score(0, slots, motion, loudness)
    assert found.score == max(0.0, best) and found.slots == both
