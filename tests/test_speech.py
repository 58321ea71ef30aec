# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_media import DARK, stand_in_for_faces, talk, write_video

from cad.data.made_sounds import KINDS
from cad.detector import Detector
from cad.media.records import AudioSamples
from cad.speech import MAX_PAUSE_SLOTS, _by_slot, find_speech, keep_speech


def whole(samples: np.ndarray) -> AudioSamples:
    return AudioSamples(samples.astype(np.float32), np.ones(len(samples) // 640, bool))


def test_speech_like_sound_counts(rng):
    assert find_speech(whole(talk(100 / 25))).mean() > 0.95


@pytest.mark.parametrize("level", [0.0, 1e-4, 4e-4])
def test_silence_does_not_count(rng, level):
    assert not find_speech(whole(level * rng.standard_normal(100 * 640))).any()


def test_a_steady_tone_and_steady_hiss_do_not_count(rng):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(100 * 640) / 16_000)
    assert not find_speech(whole(tone)).any()
    assert not find_speech(whole(0.1 * rng.standard_normal(100 * 640))).any()


def test_a_constant_offset_is_no_sound():
    assert not find_speech(whole(np.full(100 * 640, 0.5))).any()


@pytest.mark.parametrize("silent_slots", [10, 25, 60])
def test_silence_before_and_after_changes_nothing_within(rng, silent_slots):
    speech = talk(80 / 25)
    alone = find_speech(whole(speech))
    silence = np.zeros(silent_slots * 640, np.float32)
    padded = find_speech(whole(np.concatenate([silence, speech, silence])))
    assert not padded[:silent_slots].any() and not padded[-silent_slots:].any()
    np.testing.assert_array_equal(padded[silent_slots:-silent_slots], alone)


def test_a_short_pause_belongs_to_the_speech_and_a_long_one_does_not(rng):
    for pause, counts in ((MAX_PAUSE_SLOTS - 2, True), (MAX_PAUSE_SLOTS + 20, False)):
        samples = np.concatenate([talk(50 / 25), np.zeros(pause * 640, np.float32), talk(50 / 25)])
        assert find_speech(whole(samples))[50 + pause // 2] == counts


def test_a_click_is_not_speech():
    samples = np.zeros(100 * 640, np.float32)
    samples[50 * 640 : 50 * 640 + 100] = 0.8
    assert not find_speech(whole(samples)).any()


def test_slots_without_sound_never_count_and_are_left_silent(rng):
    audio = AudioSamples(talk(100 / 25), np.arange(100) >= 40)
    kept = keep_speech(audio)
    assert not kept.present[:40].any()
    assert kept.present[45:95].all()
    assert not kept.samples[: 40 * 640].any()
    np.testing.assert_array_equal(kept.samples[50 * 640 : 90 * 640], audio.samples[50 * 640 : 90 * 640])


@pytest.mark.parametrize("kind", KINDS)
def test_what_sounds_without_a_voice_is_not_speech(kind):
    for seed in range(3):
        sound = whole(KINDS[kind](np.random.default_rng(seed), 6.0))
        assert find_speech(sound).mean() < 0.1


@pytest.mark.parametrize("kind", ["chord pad", "arpeggio", "pop", "swelling pink noise", "applause"])
@pytest.mark.parametrize("below_db", [5, 10, 20])
def test_speech_over_music_and_noise_counts(kind, below_db):
    speech = talk(6.0)
    other = KINDS[kind](np.random.default_rng(1), 6.0)
    gain = np.sqrt(np.square(speech).mean() / np.square(other).mean()) * 10 ** (-below_db / 20)
    assert find_speech(whole(speech + gain * other)).mean() > 0.9


def test_music_before_and_after_speech_does_not_count():
    music = KINDS["pop"](np.random.default_rng(2), 8.0)
    speech = find_speech(whole(np.concatenate([music, talk(4.0, 0.2), music])))
    assert speech[200:300].mean() > 0.95
    # What is within about two seconds of the voice is taken for its surroundings.
    assert not speech[:125].any() and not speech[375:].any()


@pytest.mark.parametrize("level", [0.5, 0.1, 0.005, 0.002])
def test_a_faint_voice_counts_as_a_loud_one(level):
    assert find_speech(whole(talk(4.0, level))).mean() > 0.95


@pytest.mark.parametrize("seconds", [0.4, 1.0, 2.0])
def test_a_few_words_count(seconds):
    silence = np.zeros(16_000, np.float32)
    assert find_speech(whole(np.concatenate([silence, talk(seconds), silence]))).sum() >= 0.9 * 25 * seconds


def test_threads_hear_the_same_at_once():
    voices = [whole(talk(3.0, 0.1, seed)) for seed in range(4)]
    alone = [find_speech(voice) for voice in voices]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(find_speech, voices), strict=True):
            np.testing.assert_array_equal(one, other)


def test_blocks_of_the_net_are_laid_onto_slots():
    blocks = np.zeros(10, np.float32)
    blocks[4] = 1.0  # samples 2048 to 2559, which lie in the slots from 1920 and, to its end, 2559
    assert np.flatnonzero(_by_slot(blocks, 8)).tolist() == [3]
    blocks[5] = 1.0  # from 2560 to 3071
    assert np.flatnonzero(_by_slot(blocks, 8)).tolist() == [3, 4]


@pytest.mark.parametrize("kind", ["chord pad", "arpeggio"])
def test_a_video_over_music_is_judged_by_its_picture(kind, tiny_weights, tmp_path, monkeypatch, rng):
    stand_in_for_faces(monkeypatch)
    clip = write_video(tmp_path / "a.mp4", 4.0, DARK, KINDS[kind](rng, 4.0))
    with Detector(model=str(tiny_weights)) as detector:
        verdict = detector.detect(clip)
    assert verdict.streams["video"].probability_fake is not None
    assert verdict.streams["audio"].probability_fake is None and "music" in verdict.streams["audio"].reason
    assert "no_speech" in {reason.code for reason in verdict.reasons}
    assert not any(face.active_speaker for face in verdict.faces)
