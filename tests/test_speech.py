# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from cad.media.records import AudioSamples
from cad.speech import MAX_PAUSE_SLOTS, find_speech, keep_speech


def talk(rng: np.random.Generator, slots: int, level: float = 0.1) -> np.ndarray:
    """Noise whose level goes up and down four times a second, as syllables do."""
    time = np.arange(slots * 640) / 16_000
    envelope = 0.02 + np.abs(np.sin(2 * np.pi * 2.0 * time)) ** 2
    return (level * envelope * rng.standard_normal(len(time))).astype(np.float32)


def whole(samples: np.ndarray) -> AudioSamples:
    return AudioSamples(samples.astype(np.float32), np.ones(len(samples) // 640, bool))


def test_speech_like_sound_counts(rng):
    assert find_speech(whole(talk(rng, 100))).mean() > 0.95


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
    speech = talk(rng, 80)
    alone = find_speech(whole(speech))
    silence = np.zeros(silent_slots * 640, np.float32)
    padded = find_speech(whole(np.concatenate([silence, speech, silence])))
    assert not padded[:silent_slots].any() and not padded[-silent_slots:].any()
    np.testing.assert_array_equal(padded[silent_slots:-silent_slots], alone)


def test_a_short_pause_belongs_to_the_speech_and_a_long_one_does_not(rng):
    for pause, counts in ((MAX_PAUSE_SLOTS - 2, True), (MAX_PAUSE_SLOTS + 20, False)):
        samples = np.concatenate([talk(rng, 50), np.zeros(pause * 640, np.float32), talk(rng, 50)])
        assert find_speech(whole(samples))[50 + pause // 2] == counts


def test_a_click_is_not_speech():
    samples = np.zeros(100 * 640, np.float32)
    samples[50 * 640 : 50 * 640 + 100] = 0.8
    assert not find_speech(whole(samples)).any()


def test_slots_without_sound_never_count_and_are_left_silent(rng):
    audio = AudioSamples(talk(rng, 100), np.arange(100) >= 40)
    kept = keep_speech(audio)
    assert not kept.present[:40].any()
    assert kept.present[45:95].all()
    assert not kept.samples[: 40 * 640].any()
    np.testing.assert_array_equal(kept.samples[50 * 640 : 90 * 640], audio.samples[50 * 640 : 90 * 640])
