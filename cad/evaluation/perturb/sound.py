# SPDX-License-Identifier: Apache-2.0
"""Gives the catalogue the perturbations of a clip's sound."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from cad.evaluation.perturb.source import Sound
from cad.loudness import rms


def add_noise(sound: Sound, snr_db: float, rng: np.random.Generator) -> Sound:
    """Return the sound with white noise at a signal-to-noise ratio."""
    level = rms(sound.samples) * 10 ** (-snr_db / 20)
    noise = rng.normal(0.0, max(level, 1e-6), len(sound.samples)).astype(np.float32)
    return Sound(np.clip(sound.samples + noise, -1, 1), sound.rate_hz)


def reverberate(sound: Sound, rt60_seconds: float, rng: np.random.Generator) -> Sound:
    """Return the sound in a room whose echo falls by 60 dB in ``rt60_seconds``, as loud as before.

    The impulse response is exponentially decaying noise behind a direct path of equal energy.
    """
    length = max(1, int(rt60_seconds * sound.rate_hz))
    decay = np.exp(-np.log(1000.0) * np.arange(length) / length)
    tail = rng.normal(size=length) * decay
    response = np.concatenate([[1.0], tail / np.linalg.norm(tail)])
    size = len(sound.samples) + length
    wet = np.fft.irfft(np.fft.rfft(sound.samples, size) * np.fft.rfft(response, size), size)[: len(sound.samples)]
    as_loud = wet * (rms(sound.samples) / max(rms(wet), 1e-9))
    return Sound(np.clip(as_loud, -1, 1).astype(np.float32), sound.rate_hz)


def shift_pitch(sound: Sound, semitones: float) -> Sound:
    """Return the sound ``semitones`` higher, as long as before (FFmpeg's asetrate and atempo)."""
    ratio = 2 ** (semitones / 12)
    rate = round(sound.rate_hz * ratio)
    filters = [("asetrate", str(rate)), ("aresample", str(sound.rate_hz)), ("atempo", f"{1 / ratio:.6f}")]
    return _filtered(sound, filters)


def limit_band(sound: Sound, rate_hz: int) -> Sound:
    """Return the sound as it is after resampling to ``rate_hz`` and back."""
    return _filtered(sound, [("aresample", str(rate_hz)), ("aresample", str(sound.rate_hz))])


def _filtered(sound: Sound, filters: list[tuple[str, str]]) -> Sound:
    """Return the sound behind a chain of FFmpeg's audio filters, which round its length by a few samples."""
    graph = av.filter.Graph()
    nodes = [
        graph.add_abuffer(sample_rate=sound.rate_hz, format="flt", layout="mono", time_base=Fraction(1, sound.rate_hz))
    ]
    nodes += [graph.add(name, argument) for name, argument in filters]
    nodes += [graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    frame = av.AudioFrame.from_ndarray(sound.samples[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sound.rate_hz, 0, Fraction(1, sound.rate_hz)
    graph.push(frame)
    graph.push(None)
    parts: list[NDArray[np.float32]] = []
    while True:
        try:
            parts.append(np.asarray(graph.pull().to_ndarray(), dtype=np.float32).reshape(-1))
        except (av.BlockingIOError, av.EOFError):
            break
    return Sound(np.concatenate([*parts, np.zeros(0, np.float32)]), sound.rate_hz).fitted(len(sound.samples))
