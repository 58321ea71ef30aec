# SPDX-License-Identifier: Apache-2.0
"""How recordings become windows for the fit of the audio head: by default as in the product, else as is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from made_media import talk

from cad.data.records import Clip
from cad.loudness import rms
from cad.media.records import AudioSamples
from cad.speech import Speech, keep_speech
from cad.training.voice_cuts import LEVEL_DBFS, CutOptions, cut_voice
from cad.windows import WindowCutter


def clip_of(samples: np.ndarray) -> Clip:
    slots = len(samples) // 640
    audio = samples[: slots * 640].astype(np.float32)
    return Clip("one", None, None, np.zeros(slots, bool), audio, np.ones(slots, bool))


@pytest.fixture(scope="module")
def phrase() -> Clip:
    """A second of silence, 1.2 s of speech, 0.8 s of silence, 1.2 s of speech, a second of silence."""
    hush, words = np.zeros(16_000), talk(1.2)
    return clip_of(np.concatenate([hush, words, hush[:12_800], words, hush]))


def test_windows_are_those_that_the_product_cuts() -> None:
    clip = clip_of(np.concatenate([np.zeros(7 * 640), talk(4.6)]))
    cut = list(cut_voice(clip, 50))
    speech = Speech.of_audio(keep_speech(AudioSamples(clip.audio, clip.audio_present)))
    expected = list(WindowCutter(speech, 50, 25, 10).flush())
    assert len(cut) == len(expected) >= 3
    for one, window in zip(cut, expected, strict=True):
        assert one.slots[0] == window.first_slot >= 7
        np.testing.assert_array_equal(one.sound.samples, window.audio)
        np.testing.assert_array_equal(one.sound.present, window.audio_present)


def test_a_pause_is_heard_within_a_span_and_not_as_speech(phrase: Clip) -> None:
    heard = {mask: next(cut_voice(phrase, 80, CutOptions(mask=mask))) for mask in ("speech", "span", "loud", "none")}
    assert not heard["speech"].sound.present[40:45].any()
    for mask in ("span", "loud"):
        assert heard[mask].sound.present.all()
        assert abs(int(heard[mask].slots[0]) - 25) <= 2 and abs(int(heard[mask].slots[-1]) - 104) <= 2
    assert heard["none"].slots[0] == 0 and heard["none"].sound.present.all()


def test_a_short_recording_is_repeated_until_it_fills_the_window() -> None:
    clip = clip_of(talk(0.72))
    (as_is,) = cut_voice(clip, 50, CutOptions(mask="none"))
    (filled,) = cut_voice(clip, 50, CutOptions(mask="none", short="repeated"))
    assert len(as_is.slots) == 18 and len(filled.slots) == 50 == len(filled.sound.present)
    np.testing.assert_array_equal(filled.slots, np.arange(50) % 18)
    np.testing.assert_array_equal(filled.sound.samples[18 * 640 : 36 * 640], as_is.sound.samples)


def test_the_level_is_that_of_what_is_heard(phrase: Clip) -> None:
    quiet = clip_of(phrase.audio * 0.1)
    for level in ("file", "window"):
        cuts = list(cut_voice(quiet, 50, CutOptions(level=level)))
        loud = list(cut_voice(phrase, 50, CutOptions(level=level)))
        assert len(cuts) == len(loud) >= 2
        for one, other in zip(cuts, loud, strict=True):
            np.testing.assert_allclose(one.sound.samples, other.sound.samples, atol=2e-4)
    one = next(cut_voice(quiet, 50, CutOptions(level="window"))).sound
    heard = one.samples[np.repeat(one.present, 640)]
    assert not one.present.all() and 20 * np.log10(rms(heard)) == pytest.approx(LEVEL_DBFS, abs=0.1)


def test_silence_gives_no_window_of_speech_and_no_error_at_any_level() -> None:
    silence = clip_of(np.zeros(32_000))
    assert not list(cut_voice(silence, 50)) and not list(cut_voice(silence, 50, CutOptions(mask="loud")))
    (one,) = cut_voice(silence, 50, CutOptions(level="window", mask="none"))
    assert not one.sound.samples.any()
