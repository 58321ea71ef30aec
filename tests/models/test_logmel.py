# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from cad.models.logmel import LogMel, mel_filters


def speech_like(rng: np.random.Generator, seconds: float) -> np.ndarray:
    times = np.arange(int(seconds * 16_000)) / 16_000
    voiced = sum(np.sin(2 * np.pi * 130 * harmonic * times) / harmonic for harmonic in range(1, 30))
    return (0.1 * voiced * (1 + np.sin(2 * np.pi * 4 * times)) + rng.normal(0, 0.003, len(times))).astype(np.float32)


def ours(audio: np.ndarray) -> np.ndarray:
    present = torch.ones(1, len(audio) // 640)
    return LogMel()(torch.from_numpy(audio)[None], present)[0].numpy()


def test_filters_are_librosas():
    expected = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80)
    np.testing.assert_allclose(mel_filters().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("level", [1.0, 0.01])
def test_equals_librosa(rng, level):
    audio = speech_like(rng, 2.0) * level
    power = np.abs(librosa.stft(audio, n_fft=400, hop_length=160, pad_mode="reflect"))[:, :-1] ** 2
    logarithm = np.log10(np.maximum(librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80) @ power, 1e-10))
    expected = (np.maximum(logarithm, logarithm.max() - 8) + 4) / 4
    np.testing.assert_allclose(ours(audio), expected, atol=2e-3)


def test_equals_whispers_own(rng):
    audio = speech_like(rng, 2.0)
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=2)
    expected = extractor(audio, sampling_rate=16_000, return_tensors="np").input_features[0]
    found = ours(audio)
    assert found.shape == expected.shape == (80, 200)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_absent_samples_do_not_matter(rng):
    audio = torch.from_numpy(speech_like(rng, 2.0))[None]
    present = torch.ones(1, 50)
    present[:, 30:] = 0.0
    loud = audio.clone()
    loud[:, 30 * 640 :] = 1.0
    assert torch.equal(LogMel()(audio, present), LogMel()(loud, present))


def test_nothing_is_finite():
    silent = LogMel()(torch.full((1, 6400), float("0.5")), torch.zeros(1, 10))
    assert torch.equal(silent, torch.full((1, 80, 40), -1.5))
