# SPDX-License-Identifier: Apache-2.0
"""Sound of any number of channels is read, and what any of them says is in the mix."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_media import RATE_HZ, talk
from made_tracks import Voice, write_caf, write_tracks

from cad import ArraySource
from cad.errors import MediaLimitError
from cad.media.mixing import BLOCK_SAMPLES, MonoMixer, mono_weights
from cad.media.reader import open_media
from cad.media.records import Outcome

STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def write_pcm(path: Path, samples: np.ndarray) -> Path:
    """Write 16-bit PCM (samples, channels), whose places nothing tells."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def mix(samples: np.ndarray, channels: tuple[str, ...], step: int = 441) -> np.ndarray:
    mixer = MonoMixer(channels)
    parts = [mixer.mix(samples[first : first + step]) for first in range(0, len(samples), step)]
    return np.concatenate([*parts, mixer.flush()])


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def read(path: Path) -> np.ndarray:
    with open_media(path) as reader:
        sound = reader.audio()
        assert sound is not None
        assert reader.report.outcome in (Outcome.NO_VIDEO, Outcome.OK)
        return sound.samples


@pytest.mark.parametrize("channels", [7, 8, 9, 10, 16, 64])
def test_pcm_of_many_channels_is_read(channels: int, tmp_path: Path) -> None:
    voice = talk(1.0)
    samples = read(write_pcm(tmp_path / "a.wav", np.repeat(voice[:, None], channels, axis=1)))
    np.testing.assert_allclose(samples, voice, atol=2e-4)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("aac", "mp4"), ("flac", "flac"), ("libopus", "mka"), ("pcm_s16le", "mov")]
)
def test_seven_point_one_of_every_codec_is_read(codec: str, suffix: str, tmp_path: Path) -> None:
    voices = np.stack([talk(2.0, seed=0)] * 8, axis=1)
    samples = read(write_tracks(tmp_path / f"a.{suffix}", [Voice(voices)], codec))
    assert 0.9 < level(samples) / level(talk(2.0)) < 1.1 or codec == "libopus"  # Opus does not keep the low frequencies
    assert level(samples) > 0.5 * level(talk(2.0))


@pytest.mark.parametrize("labels", [(3, 1), (3, 1, 2), (3, 1, 2, 5, 6, 4, 9, 10, 11)])
def test_channels_in_an_order_of_their_own_do_not_corrupt_memory(labels: tuple[int, ...], tmp_path: Path) -> None:
    voice = talk(1.0)
    path = write_caf(tmp_path / "a.caf", np.repeat(voice[:, None], len(labels), axis=1), labels)
    for _ in range(3):
        np.testing.assert_allclose(read(path), voice, atol=2e-4)


def test_the_names_of_channels_in_an_order_of_their_own_are_kept(tmp_path: Path) -> None:
    rumble, voice = talk(1.0, 0.1, 1), talk(1.0, 0.1, 2)
    # Low frequency comes first here; it has no part in the mix.
    path = write_caf(tmp_path / "a.caf", np.stack([rumble, voice], axis=1), (4, 3))
    np.testing.assert_allclose(read(path), voice, atol=2e-4)


def test_more_channels_than_can_be_mixed_are_a_limit_with_a_name(tmp_path: Path) -> None:
    path = write_pcm(tmp_path / "a.wav", np.repeat(talk(0.5)[:, None], 65, axis=1))
    with open_media(path) as reader, pytest.raises(MediaLimitError, match="65 channels; the limit is 64"):
        reader.audio()


def test_ambisonic_sound_is_heard_from_all_sides() -> None:
    voice = talk(2.0)
    # From behind: the first-order channel has the opposite sign, and a plain mean would be silent.
    field = np.stack([voice, np.zeros_like(voice), np.zeros_like(voice), -voice], axis=1)
    np.testing.assert_allclose(mix(field, ("AMBI0", "AMBI1", "AMBI2", "AMBI3")), voice, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "samples"),
    [
        (STEREO, np.stack([talk(3.0), talk(3.0)], axis=1)),
        (STEREO, np.stack([talk(3.0, seed=1), talk(3.0, seed=2)], axis=1)),
        (STEREO, np.stack([talk(3.0, seed=1), 0.3 * talk(3.0, seed=1) + talk(3.0, 0.05, seed=2)], axis=1)),
        (SURROUND, np.stack([talk(3.0, 0.1, seed) for seed in range(6)], axis=1)),
    ],
    ids=["one voice", "two voices", "room", "5.1"],
)
def test_a_healthy_recording_is_mixed_by_the_plain_weights(channels: tuple[str, ...], samples: np.ndarray) -> None:
    np.testing.assert_allclose(mix(samples, channels), samples @ mono_weights(channels), atol=1e-6)


@pytest.mark.parametrize("layout", [STEREO, ("NONE",) * 2, ("NONE",) * 4, SURROUND])
def test_channels_in_opposite_phase_do_not_cancel(layout: tuple[str, ...]) -> None:
    voice = talk(4.0)
    samples = np.stack([voice, -voice] * (len(layout) // 2), axis=1)
    np.testing.assert_allclose(np.abs(mix(samples, layout)), np.abs(voice), atol=1e-5)


def test_a_cable_that_is_turned_over_midway_costs_nothing() -> None:
    voice = talk(8.0)
    turned = np.where(np.arange(len(voice)) < len(voice) // 2, voice, -voice)
    mixed = mix(np.stack([voice, turned], axis=1), STEREO)
    by_second = [level(mixed[a:b]) / level(voice[a:b]) for a, b in pairwise(range(0, len(voice) + 1, BLOCK_SAMPLES))]
    assert min(by_second) > 0.98


def test_ambience_in_opposite_phase_does_not_turn_the_voice_out() -> None:
    voice, room = talk(10.0, 0.1, 1), talk(10.0, 0.13, 2)
    room[: 6 * RATE_HZ] = room[7 * RATE_HZ :] = 0
    mixed = mix(np.stack([voice + room, voice - room], axis=1), STEREO)
    np.testing.assert_allclose(mixed, voice, atol=1e-5)


@pytest.mark.parametrize("place", [0, 1, 5, 15])
def test_dead_channels_cost_no_level(place: int) -> None:
    voice = talk(3.0)
    samples = 1e-5 * np.random.default_rng(0).standard_normal((len(voice), 16)).astype(np.float32)
    samples[:, place] = voice
    assert level(mix(samples, ("NONE",) * 16)) == pytest.approx(level(voice), rel=0.01)


def test_a_voice_that_stands_in_the_low_frequency_channel_alone_is_heard() -> None:
    voice = talk(3.0)
    samples = np.zeros((len(voice), 6), np.float32)
    samples[:, 3] = voice
    np.testing.assert_allclose(mix(samples, SURROUND), voice, atol=1e-6)


def test_a_second_voice_is_heard_from_its_first_word() -> None:
    first, second = talk(6.0, 0.1, 1), talk(6.0, 0.1, 2)
    first[3 * RATE_HZ :] = 0
    second[: 3 * RATE_HZ] = 0
    mixed = mix(np.stack([first, second], axis=1), STEREO)
    assert level(mixed[: 3 * RATE_HZ]) == pytest.approx(level(first[: 3 * RATE_HZ]), rel=1e-3)
    np.testing.assert_allclose(mixed[3 * RATE_HZ + 400 :], second[3 * RATE_HZ + 400 :] / 2, atol=1e-6)


def test_silence_a_constant_and_broken_numbers_are_no_evidence() -> None:
    voice = talk(3.0)
    broken = voice.copy()
    broken[100] = np.nan
    for other in (np.zeros_like(voice), np.full_like(voice, 0.5), np.full_like(voice, np.nan)):
        mixed = mix(np.stack([broken, other], axis=1), STEREO)
        assert level(np.delete(mixed, 100) - np.delete(voice, 100)) < 1e-6
    assert not mix(np.zeros((RATE_HZ * 2, 2), np.float32), STEREO).any()


@pytest.mark.parametrize("step", [1, 441, BLOCK_SAMPLES, 5 * BLOCK_SAMPLES])
def test_the_mix_does_not_depend_on_how_the_sound_comes_in(step: int) -> None:
    voice = talk(2.3)
    samples = np.stack([voice, -voice], axis=1)
    np.testing.assert_array_equal(mix(samples, STEREO, step), mix(samples, STEREO))


@pytest.mark.parametrize("kind", ["opposite", "dead", "two voices"])
def test_arrays_are_mixed_as_the_file_is(kind: str, tmp_path: Path) -> None:
    voice = talk(3.0)
    other = {"opposite": -voice, "dead": np.zeros_like(voice), "two voices": talk(3.0, 0.1, 7)}[kind]
    samples = np.stack([voice, other], axis=1)
    of_file = read(write_tracks(tmp_path / "a.mka", [Voice(samples)]))
    with ArraySource(samples=samples, sample_rate_hz=RATE_HZ) as source:
        sound = source.audio()
    assert sound is not None
    np.testing.assert_allclose(sound.samples, of_file, atol=2e-4)


def test_a_layout_that_changes_midway_is_read_to_the_end(tmp_path: Path) -> None:
    voice = talk(2.0)
    parts = [
        write_tracks(tmp_path / f"{channels}.aac", [Voice(np.repeat(voice[:, None], channels, axis=1))], "aac")
        for channels in (2, 6, 8, 1)
    ]
    joined = tmp_path / "joined.aac"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    samples = read(joined)
    assert len(samples) == pytest.approx(4 * 2.05 * RATE_HZ, rel=0.05)
    for first in range(4):
        assert level(samples[first * 2 * RATE_HZ :][: 2 * RATE_HZ]) == pytest.approx(level(voice), rel=0.2)
