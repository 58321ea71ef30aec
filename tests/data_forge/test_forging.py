# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_clips import made_clip
from requirements import require

from cad.data.forge import DEFAULT_WEIGHTS, DonorPool, Need, Stream, forge, forger_names, genuine, get_forger
from cad.data.records import Clip, LabeledClip
from cad.errors import OptionError

SLOTS = 50


@pytest.fixture(scope="module")
def clip() -> Clip:
    return made_clip(110, seed=1, identity="anna")


@pytest.fixture(scope="module")
def pool(clip: Clip) -> DonorPool:
    genuine_clips = [clip, made_clip(80, 2, "anna"), made_clip(80, 3, "ben"), made_clip(80, 4, "cleo")]
    return DonorPool(genuine_clips, [made_clip(80, 5, "engine")])


def forged_by(name: str, clip: Clip, pool: DonorPool, seed: int) -> LabeledClip | None:
    return forge(clip, np.random.default_rng(seed), pool, {name: 1.0}, slots=SLOTS, second_share=0)


def tracks(forged: LabeledClip) -> dict[Stream, np.ndarray]:
    return {Stream.VIDEO: forged.video_fake, Stream.AUDIO: forged.audio_fake, Stream.SYNC: forged.sync_fake}


@pytest.mark.parametrize("name", forger_names())
def test_every_kind_forges_what_it_says_and_nothing_else(name: str, clip: Clip, pool: DonorPool) -> None:
    if name == "world":
        require("pyworld")
    made = [forged for seed in range(5) if (forged := forged_by(name, clip, pool, seed)) is not None]
    assert made
    for forged in made:
        assert forged.methods == (name,)
        assert forged.clip.slots == SLOTS
        assert forged.clip.frames.dtype == np.uint8 and forged.clip.frames.shape == (SLOTS, 192, 192, 3)
        assert forged.clip.audio.dtype == np.float32 and len(forged.clip.audio) == SLOTS * 640
        assert np.isfinite(forged.clip.audio).all() and np.abs(forged.clip.audio).max() <= 1.0
        assert any((track > 0).any() for track in tracks(forged).values())
        for stream, track in tracks(forged).items():
            assert set(np.unique(track)) <= {-1.0, 0.0, 1.0}
            assert stream in get_forger(name).sets or not (track > 0).any()


@pytest.mark.parametrize("name", forger_names())
def test_a_seed_gives_the_same_forgery_and_the_clip_is_left_alone(name: str, clip: Clip, pool: DonorPool) -> None:
    before = clip.frames.copy(), clip.audio.copy()
    first, second = (forged_by(name, clip, pool, 3) for _ in range(2))
    assert np.array_equal(clip.frames, before[0]) and np.array_equal(clip.audio, before[1])
    if first is None:
        assert second is None
        return
    assert np.array_equal(first.clip.frames, second.clip.frames)
    assert np.array_equal(first.clip.audio, second.clip.audio)
    for stream, track in tracks(first).items():
        assert np.array_equal(track, tracks(second)[stream])
    assert first.methods == second.methods and first.offset_seconds == second.offset_seconds


@pytest.mark.parametrize("name", forger_names())
def test_only_labelled_slots_are_changed(name: str, clip: Clip, pool: DonorPool) -> None:
    for seed in range(5):
        forged = forged_by(name, clip, pool, seed)
        if forged is None:
            continue
        window = genuine(clip, np.random.default_rng(seed), SLOTS).clip
        picture_changed = (forged.clip.frames != window.frames).any(axis=(1, 2, 3))
        sound_changed = (forged.clip.audio != window.audio).reshape(SLOTS, 640).any(axis=1)
        marked_sound = (forged.audio_fake != 0) | (forged.sync_fake != 0)
        assert not (picture_changed & ~(forged.video_fake > 0)).any()
        assert not (sound_changed & ~marked_sound).any()
        changed = picture_changed | sound_changed
        marked = (forged.video_fake > 0) | marked_sound
        # A label may stand on a slot that hardly changes (a drift that crosses zero), but not on many.
        assert changed[marked].mean() > 0.8, f"{name}, seed {seed}"


def test_shift_takes_sound_that_was_really_there_and_states_the_offset(clip: Clip, pool: DonorPool) -> None:
    signs = set()
    for seed in range(20):
        forged = forged_by("shift", clip, pool, seed)
        if forged is None:
            continue
        start = int(np.random.default_rng(seed).integers(0, clip.slots - SLOTS + 1)) * 640
        lag = round(forged.offset_seconds * 16_000)
        signs.add(np.sign(lag))
        assert 0.08 <= abs(forged.offset_seconds) <= 2.0
        assert np.array_equal(forged.clip.audio, clip.audio[start - lag : start - lag + SLOTS * 640])
        assert forged.sync_fake.all() and not forged.audio_fake.any() and not forged.video_fake.any()
    assert signs == {-1, 1}


def test_a_clip_without_room_is_not_shifted(clip: Clip) -> None:
    assert forge(made_clip(SLOTS, 1), np.random.default_rng(0), None, {"shift": 1.0}, slots=SLOTS) is None


def test_kinds_that_need_what_the_clip_lacks_are_passed_over(clip: Clip, pool: DonorPool) -> None:
    silent = replace(clip, audio=None, audio_present=np.zeros(clip.slots, bool))
    blind = replace(clip, frames=None, points_px=None, frames_present=np.zeros(clip.slots, bool))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        seen = forge(silent, rng, pool, slots=SLOTS)
        assert seen is not None and Need.SOUND not in get_forger(seen.methods[0]).needs
        assert (seen.audio_fake == -1).all() and (seen.sync_fake == -1).all()
        heard = forge(blind, rng, pool, slots=SLOTS)
        assert heard is None or ((heard.video_fake == -1).all() and (heard.sync_fake == -1).all())


def test_genuine_windows_are_drawn_like_forged_ones(clip: Clip, pool: DonorPool) -> None:
    real = genuine(clip, np.random.default_rng(5), SLOTS)
    assert real.methods == ("real",) and real.offset_seconds == 0.0
    assert not any(track.any() for track in tracks(real).values())
    forged = forged_by("self_blend", clip, pool, 5)
    assert np.array_equal(real.clip.audio, forged.clip.audio)


def test_two_forgeries_are_of_different_streams(clip: Clip, pool: DonorPool) -> None:
    twice = 0
    for seed in range(24):
        forged = forge(clip, np.random.default_rng(seed), pool, slots=SLOTS, second_share=1.0)
        if len(forged.methods) == 2:
            twice += 1
            first, second = (get_forger(name).sets for name in forged.methods)
            assert not first & second
    assert twice > 5


def test_unknown_kind_names_the_nearest(clip: Clip) -> None:
    with pytest.raises(OptionError, match="self_blend"):
        forge(clip, np.random.default_rng(0), None, {"self_blendd": 1.0})


def test_default_weights_name_registered_kinds() -> None:
    assert set(DEFAULT_WEIGHTS) <= set(forger_names())


def test_a_window_longer_than_the_clip_is_refused(clip: Clip) -> None:
    with pytest.raises(ValueError, match="window of 200"):
        forge(clip, np.random.default_rng(0), None, slots=200)


def test_donors_are_never_the_clip_itself_nor_its_twin(clip: Clip) -> None:
    twin = made_clip(80, 9, "ben", pair_id="event")
    pool = DonorPool([clip, twin, made_clip(80, 10, "cleo")])
    paired = replace(clip, pair_id="event")
    for seed in range(20):
        donor = pool.other_speaker(paired, np.random.default_rng(seed))
        assert donor is None or donor.identity == "cleo"
        assert pool.same_speaker(paired, np.random.default_rng(seed)) is None
