# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from made_clips import made_clip

from cad.data.augment import AugmentOptions, augment, augment_clip, cropped
from cad.data.augment.audio_codec import AudioCoding, coded_audio
from cad.data.augment.crop import CropMove, draw_crop_move
from cad.data.augment.outside import draw_outside, outside_of
from cad.data.augment.picture import slower
from cad.data.augment.video_codec import coded_video, draw_video_coding
from cad.data.forge import forge, genuine
from cad.data.records import Clip
from cad.faces.records import CANONICAL_POINTS_PX

NOTHING = {option.name: 0.0 for option in fields(AugmentOptions)}
SOUND_OPTIONS = (
    "reverb",
    "equalise",
    "band_limit",
    "other_rate",
    "sound_noise",
    "clip",
    "audio_codec",
    "offset",
)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return made_clip(50, seed=1)


def likeness_lag(heard: np.ndarray, original: np.ndarray) -> int:
    """By how many samples ``heard`` lags, from the peak of the correlation of the two."""
    size = 2 * len(original)
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    lag = int(np.argmax(likeness))
    return lag - size if lag > size // 2 else lag


def speech_like(seed: int, samples: int = 32_000) -> np.ndarray:
    """Noise bursts of telephone bandwidth: the correlation has one sharp peak, as a voice's pitch has not."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / 16_000)
    spectrum *= (hz > 150) & (hz < 3400)
    sound = np.fft.irfft(spectrum, samples)
    bursts = np.clip(np.sin(2 * np.pi * 3.3 * np.arange(samples) / 16_000 + seed), 0.05, 1)
    return (0.1 * sound * bursts / sound.std()).astype(np.float32)


def test_the_label_cannot_change_what_happens(clip: Clip) -> None:
    real = genuine(clip, np.random.default_rng(0))
    called_fake = replace(
        real,
        video_fake=np.ones_like(real.video_fake),
        audio_fake=np.ones_like(real.audio_fake),
        sync_fake=np.ones_like(real.sync_fake),
        methods=("self_blend",),
        offset_seconds=None,
    )
    for seed in range(6):
        one = augment(real, np.random.default_rng(seed))
        other = augment(called_fake, np.random.default_rng(seed))
        assert np.array_equal(one.clip.frames, other.clip.frames)
        assert np.array_equal(one.clip.audio, other.clip.audio)
        assert other.methods == ("self_blend",) and other.video_fake.all()


def test_the_same_draws_are_made_whatever_the_content(clip: Clip) -> None:
    forged = forge(made_clip(100, 1), np.random.default_rng(2), None, {"self_blend": 1.0}, slots=50)
    real = genuine(made_clip(100, 1), np.random.default_rng(2), 50)
    for seed in range(5):
        one = augment(real, np.random.default_rng(seed)).clip
        other = augment(forged, np.random.default_rng(seed)).clip
        assert np.array_equal(one.points_px, other.points_px)
        assert np.array_equal(one.audio, other.audio)  # the face alone was forged


def test_a_seed_repeats_exactly_and_shapes_are_the_models(clip: Clip) -> None:
    for seed in range(4):
        one, two = (augment_clip(clip, np.random.default_rng(seed)) for _ in range(2))
        assert one.frames.shape == (50, 160, 160, 3) and one.frames.dtype == np.uint8
        assert one.audio.shape == (32_000,) and one.audio.dtype == np.float32
        assert np.abs(one.audio).max() <= 1 and np.isfinite(one.audio).all()
        assert np.array_equal(one.frames, two.frames) and np.array_equal(one.audio, two.audio)


@pytest.mark.parametrize(
    "coding",
    [
        AudioCoding("aac", "aac", "fltp", 16_000, 24_000),
        AudioCoding("aac", "aac", "fltp", 44_100, 64_000),
        AudioCoding("libmp3lame", "mp3float", "fltp", 16_000, 24_000),
        AudioCoding("libmp3lame", "mp3float", "fltp", 22_050, 40_000),
        AudioCoding("libmp3lame", "mp3float", "fltp", 44_100, 96_000),
        AudioCoding("libopus", "opus", "flt", 16_000, 16_000),
        AudioCoding("libopus", "opus", "flt", 48_000, 32_000),
        AudioCoding("ac3", "ac3", "fltp", 48_000, 64_000),
        AudioCoding("g722", "g722", "s16", 16_000, 64_000),
        AudioCoding("pcm_mulaw", "pcm_mulaw", "s16", 8_000, None),
        AudioCoding("pcm_alaw", "pcm_alaw", "s16", 8_000, None),
    ],
    ids=lambda coding: f"{coding.encoder}-{coding.rate_hz}",
)
def test_audio_codecs_keep_time_to_a_millisecond(coding: AudioCoding) -> None:
    original = speech_like(3)
    heard = coded_audio(original, coding)
    assert heard.shape == original.shape
    assert abs(likeness_lag(heard, original)) <= 16
    assert not np.array_equal(heard, original)
    assert np.corrcoef(heard, original)[0, 1] > 0.8


@pytest.mark.parametrize("option", SOUND_OPTIONS)
def test_no_treatment_of_the_sound_moves_it(option: str) -> None:
    original = speech_like(4)
    present = np.ones(50, bool)
    heard_only = Clip("k", None, None, np.zeros(50, bool), original, present)
    for seed in range(6):
        options = AugmentOptions(**{**NOTHING, option: 1.0})
        heard = augment_clip(heard_only, np.random.default_rng(seed), options).audio
        assert abs(likeness_lag(heard, original)) <= 16


def test_every_codec_gives_every_frame_back_in_order(clip: Clip) -> None:
    frames = clip.frames.copy()
    for slot in range(50):  # the brightness counts the frames
        frames[slot, :32, :32] = 40 + 4 * slot
    seen = set()
    for seed in range(40):
        coding = draw_video_coding(np.random.default_rng(seed))
        if coding.encoder in seen:
            continue
        seen.add(coding.encoder)
        coded = coded_video(frames, coding)
        steps = coded[:, 4:28, 4:28].mean(axis=(1, 2, 3))
        assert np.abs(steps - frames[:, 4:28, 4:28].mean(axis=(1, 2, 3))).max() < 6
    assert seen == {"libx264", "mpeg4", "mpeg1video", "libvpx-vp9"}


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        coded_video(np.zeros((2, 33, 32, 3), np.uint8), draw_video_coding(np.random.default_rng(0)))


def test_the_plain_crop_is_the_middle_of_the_stored_one(clip: Clip) -> None:
    middle = cropped(clip)
    assert np.array_equal(middle.frames, clip.frames[:, 16:176, 16:176])
    assert np.abs(middle.points_px.mean(axis=0) - CANONICAL_POINTS_PX).max() < 0.5


def test_points_follow_the_picture_through_a_move() -> None:
    frames = np.zeros((1, 192, 192, 3), np.uint8)
    points = np.array([[[70.0, 80.0], [120.0, 78.0], [96.0, 100.0], [82.0, 124.0], [112.0, 122.0]]], np.float32)
    for x, y in points[0]:
        frames[0, int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = 255
    clip = Clip("k", frames, points, np.ones(1, bool), None, np.zeros(1, bool))
    for seed in range(10):
        move = draw_crop_move(np.random.default_rng(seed))
        moved = cropped(clip, move)
        for x, y in moved.points_px[0]:
            assert moved.frames[0, round(float(y)), round(float(x))].min() > 150
        left_eye, right_eye = moved.points_px[0, 0], moved.points_px[0, 1]
        assert left_eye[0] < right_eye[0]


def test_lower_resolution_sources_lie_where_the_full_one_does(clip: Clip) -> None:
    import cv2

    half = np.stack([cv2.resize(frame, (96, 96), interpolation=cv2.INTER_AREA) for frame in clip.frames])
    whole = cropped(clip, CropMove(zoom=1.05, turn_degrees=2.0)).frames.astype(float)
    coarse = cropped(clip, CropMove(zoom=1.05, turn_degrees=2.0), half).frames.astype(float)
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in whole])
    moved = np.roll(soft, 1, axis=2)
    assert np.abs(coarse - soft)[:, 8:-8, 8:-8].mean() < np.abs(coarse - moved)[:, 8:-8, 8:-8].mean()


def test_moves_never_leave_the_stored_crop() -> None:
    corners = np.array([[0, 0], [159, 0], [0, 159], [159, 159]], float)
    for seed in range(200):
        matrix = draw_crop_move(np.random.default_rng(seed)).matrix()
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        stored = corners @ inverse[:2, :2].T + inverse[:2, 2]
        assert stored.min() > -1.0 and stored.max() < 192.0


def test_missing_slots_stay_empty(clip: Clip) -> None:
    present = np.ones(50, bool)
    present[10:14] = False
    gappy = replace(clip, frames_present=present, audio_present=present)
    for seed in range(4):
        treated = augment_clip(gappy, np.random.default_rng(seed))
        assert not treated.frames[~present].any() and treated.frames[present].any()
        assert not treated.audio.reshape(50, 640)[~present].any()


def test_a_slower_source_repeats_frames_without_drifting(clip: Clip) -> None:
    numbered = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 2, 2, 3))
    for seed in range(10):
        taken = slower(numbered, np.random.default_rng(seed))[:, 0, 0, 0].astype(int)
        assert len(np.unique(taken)) < 50
        assert np.abs(taken - np.arange(50)).max() <= 2
        assert abs((taken - np.arange(50)).mean()) < 1


def test_one_stream_alone_passes(clip: Clip) -> None:
    silent = replace(clip, audio=None, audio_present=np.zeros(50, bool))
    blind = replace(clip, frames=None, points_px=None, frames_present=np.zeros(50, bool))
    assert augment_clip(silent, np.random.default_rng(0)).audio is None
    assert augment_clip(blind, np.random.default_rng(0)).frames is None
    both = augment_clip(clip, np.random.default_rng(0))
    assert np.array_equal(augment_clip(silent, np.random.default_rng(0)).frames, both.frames)
    assert np.array_equal(augment_clip(blind, np.random.default_rng(0)).audio, both.audio)


def with_black_corner(clip: Clip) -> Clip:
    frames = clip.frames.copy()
    frames[:, :60, :40] = 0
    return replace(clip, frames=frames)


def test_black_outside_the_source_picture_stays_black(clip: Clip) -> None:
    cornered = with_black_corner(clip)
    for seed in range(6):
        treated = augment_clip(cornered, np.random.default_rng(seed)).frames
        corners = treated[:, :20, :8].max(), treated[:, :20, -8:].max()
        assert min(corners) == 0  # at the right when mirrored


def test_forgeries_leave_the_end_of_the_picture_where_it_was(clip: Clip) -> None:
    cornered = with_black_corner(made_clip(60, 2))
    for seed in range(8):
        forged = forge(cornered, np.random.default_rng(seed), None, {"self_blend": 1.0, "coarse_face": 1.0}, slots=50)
        assert forged.video_fake.any() and not forged.clip.frames[:, :58, :38].any()


def test_a_dark_picture_is_not_taken_for_outside(clip: Clip) -> None:
    dark = np.zeros((4, 192, 192, 3), np.uint8)
    dark[:] = 2
    dark[:, 90:92, 60:62] = 0
    assert outside_of(dark) is None


def test_a_made_up_end_of_the_picture_spares_the_face() -> None:
    shares = []
    for seed in range(100):
        mask = draw_outside(160, np.random.default_rng(seed))
        shares.append((mask > 0).mean())
        assert not mask[60:101, 60:101].any()
    assert 0.05 < np.mean(shares) < 0.6
