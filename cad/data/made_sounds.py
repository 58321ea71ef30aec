# SPDX-License-Identifier: Apache-2.0
"""Makes sounds without speech, for training, the benchmark of the speech detector and tests: music, noise, machines.

Every sound is drawn from a seeded generator, float32 (samples,) at 16 kHz with a peak of 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
Sound = NDArray[np.float32]
Rng = np.random.Generator
#: Semitones above the root of the chords of a common progression.
CHORDS = ((0, 4, 7, 12), (7, 11, 14, 19), (9, 12, 16, 21), (5, 9, 12, 17), (2, 5, 9, 14), (4, 7, 11, 16))


def clock(seconds: float) -> NDArray[np.float64]:
    """Return the time of each sample in seconds, float64 (samples,)."""
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def hertz(note: float) -> float:
    """Return the frequency of a MIDI note in Hz."""
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def tone(frequency_hz: float, seconds: float, rng: Rng, harmonics: int = 8, fall: float = 1.0) -> NDArray[np.float64]:
    """Return a note whose harmonics fall off as 1 / number ** ``fall``, slightly detuned as strings are."""
    time = clock(seconds)
    note = np.zeros(len(time))
    for number in range(1, harmonics + 1):
        partial_hz = number * frequency_hz * (1 + rng.normal(0, 0.0005))
        if partial_hz < RATE_HZ / 2:
            note += np.sin(2 * np.pi * (partial_hz * time + rng.random())) / number**fall
    return note


def attack_and_decay(samples: int, attack_seconds: float, decay_seconds: float) -> NDArray[np.float64]:
    """Return an envelope in [0, 1] that rises in a line and falls exponentially, float64 (samples,)."""
    time = np.arange(samples) / RATE_HZ
    return np.minimum(time / attack_seconds, 1.0) * np.exp(-time / decay_seconds)


def peak(samples: NDArray[np.floating], level: float = 0.5) -> Sound:
    """Return ``samples`` with their largest magnitude at ``level``."""
    return (level * samples / max(float(np.abs(samples).max()), 1e-9)).astype(np.float32)


def coloured(rng: Rng, samples: int, power: float) -> NDArray[np.float64]:
    """Return noise whose power falls as 1 / frequency ** ``power``: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE_HZ), 20.0)
    return np.fft.irfft(spectrum / frequency ** (power / 2), samples)


def band(samples: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return what of ``samples`` lies between two frequencies."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0
    return np.fft.irfft(spectrum, len(samples))


def lay(notes: list[tuple[float, NDArray[np.float64]]], seconds: float) -> NDArray[np.float64]:
    """Return notes laid at their seconds into a stretch of ``seconds``."""
    total = np.zeros(int(seconds * RATE_HZ))
    for start, note in notes:
        first = int(start * RATE_HZ)
        part = note[: max(0, len(total) - first)]
        total[first : first + len(part)] += part
    return total


def chord_pad(rng: Rng, seconds: float) -> Sound:
    """Return chords of soft strings, one after the other."""
    root, beat = int(rng.integers(40, 60)), rng.uniform(0.8, 2.0)
    notes = []
    for start in np.arange(0, seconds, beat):
        for step in CHORDS[rng.integers(len(CHORDS))]:
            note = tone(hertz(root + step), beat + 0.6, rng, 10, rng.uniform(0.8, 2.0))
            notes.append((start, note * attack_and_decay(len(note), 0.2, beat)))
    return peak(lay(notes, seconds))


def arpeggio(rng: Rng, seconds: float) -> Sound:
    """Return broken chords of plucked notes."""
    root, step_seconds, fall = int(rng.integers(45, 65)), rng.uniform(0.1, 0.3), rng.uniform(0.7, 2.0)
    notes = []
    for index, start in enumerate(np.arange(0, seconds, step_seconds)):
        chord = CHORDS[(index // 8) % len(CHORDS)]
        note = tone(hertz(root + chord[index % len(chord)]), 4 * step_seconds, rng, 8, fall)
        notes.append((start, note * attack_and_decay(len(note), 0.005, 1.5 * step_seconds)))
    return peak(lay(notes, seconds))


def drums(rng: Rng, seconds: float) -> Sound:
    """Return a beat of bass drum, snare and hi-hat."""
    beat = rng.uniform(0.2, 0.4)
    notes = []
    for index, start in enumerate(np.arange(0, seconds, beat / 2)):
        time = clock(0.3)
        if index % 4 == 0:
            notes.append((start, np.sin(2 * np.pi * (50 * time + 8 * np.exp(-30 * time))) * np.exp(-time / 0.1)))
        if index % 4 == 2:
            notes.append((start, 0.6 * rng.standard_normal(len(time)) * np.exp(-time / 0.06)))
        hat = band(rng.standard_normal(len(time)), 5000, 8000)
        notes.append((start, 0.5 * hat * np.exp(-time / 0.02)))
    return peak(lay(notes, seconds))


def pop(rng: Rng, seconds: float) -> Sound:
    """Return chords, broken chords and drums together."""
    melody = arpeggio(rng, seconds)
    return peak(0.5 * chord_pad(rng, seconds) + 0.4 * melody + 0.5 * drums(rng, seconds))


def melody(rng: Rng, seconds: float) -> Sound:
    """Return a lead voice with vibrato and glides, as a violin or a synthesiser plays it."""
    note_seconds = rng.uniform(0.25, 0.7)
    count = int(seconds / note_seconds) + 2
    steps = 60 + np.cumsum(rng.integers(-4, 5, count))
    time = clock(seconds)
    pitch = np.interp(time, np.arange(count) * note_seconds, np.clip(steps, 48, 80))
    pitch = np.round(pitch) + 0.25 * np.sin(2 * np.pi * 5.5 * time)
    phase = np.cumsum(440.0 * 2.0 ** ((pitch - 69) / 12)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * number * phase) / number for number in range(1, 9))
    return peak(sound * (0.6 + 0.4 * np.abs(np.sin(np.pi * time / note_seconds))))


def hummed(rng: Rng, seconds: float) -> Sound:
    """Return vowels without words: a glottal pulse through formants that stay for a note."""
    note_seconds = rng.uniform(0.5, 1.2)
    vowels = ((730, 1090, 2440), (300, 870, 2240), (270, 2290, 3010), (570, 840, 2410))
    notes = []
    for start in np.arange(0, seconds, note_seconds):
        pitch_hz = hertz(int(rng.integers(48, 68)))
        time = clock(note_seconds)
        phase = pitch_hz * time + 0.01 * pitch_hz * np.sin(2 * np.pi * 5.5 * time) / 5.5
        note = np.zeros(len(time))
        formants = vowels[rng.integers(len(vowels))]
        for number in range(1, int(3800 / pitch_hz)):
            weight = sum(1 / (1 + ((number * pitch_hz - formant) / 90) ** 2) for formant in formants)
            note += (0.02 + weight) * np.sin(2 * np.pi * number * phase) / number**0.5
        notes.append((start, note * np.minimum(1, np.minimum(time, time[::-1]) / 0.05)))
    return peak(lay(notes, seconds))


def white_noise(rng: Rng, seconds: float) -> Sound:
    """Return white noise."""
    return peak(rng.standard_normal(int(seconds * RATE_HZ)))


def swelling_noise(rng: Rng, seconds: float) -> Sound:
    """Return pink noise that swells, as surf and wind do."""
    time = clock(seconds)
    swell = 0.05 + np.sin(np.pi * time / rng.uniform(0.6, 3.0)) ** 2
    return peak(coloured(rng, len(time), 1.0) * swell)


def wind(rng: Rng, seconds: float) -> Sound:
    """Return low noise in gusts."""
    time = clock(seconds)
    gusts = np.abs(band(rng.standard_normal(len(time)), 0.05, 1.5))
    return peak(coloured(rng, len(time), 2.0) * gusts)


def hum(rng: Rng, seconds: float) -> Sound:
    """Return the hum of the mains and its harmonics."""
    mains = tone(rng.choice([50.0, 60.0]), seconds, rng, 12, 0.8)
    return peak(mains / np.abs(mains).max() + 0.05 * rng.standard_normal(len(mains)))


def engine(rng: Rng, seconds: float) -> Sound:
    """Return the strokes of an engine that speeds up and slows down."""
    time = clock(seconds)
    revolutions = 30 + 15 * np.sin(2 * np.pi * time / rng.uniform(1.0, 4.0))
    phase = np.cumsum(revolutions) / RATE_HZ
    strokes = sum(np.sin(2 * np.pi * number * phase) / number**0.7 for number in range(1, 25))
    return peak(strokes + 0.5 * coloured(rng, len(time), 1.0) / 0.02)


def applause(rng: Rng, seconds: float) -> Sound:
    """Return claps of many hands."""
    claps = (rng.random(int(seconds * RATE_HZ)) < rng.uniform(0.002, 0.01)) * rng.normal(0, 1, int(seconds * RATE_HZ))
    clap = band(rng.standard_normal(2048), 800, 4000)[:800] * np.exp(-np.arange(800) / 120)
    time = clock(seconds)
    return peak(np.convolve(claps, clap, "same") * (0.2 + np.sin(np.pi * time / seconds)))


def birds(rng: Rng, seconds: float) -> Sound:
    """Return chirps that sweep in pitch."""
    notes = []
    for start in np.sort(rng.uniform(0, seconds, int(4 * seconds))):
        time = clock(rng.uniform(0.05, 0.2))
        sweep = rng.uniform(2000, 5000) * time + rng.uniform(-8000, 8000) * time**2
        notes.append((start, np.sin(2 * np.pi * sweep) * np.sin(np.pi * np.arange(len(time)) / len(time))))
    return peak(lay(notes, seconds))


def phone_tones(rng: Rng, seconds: float) -> Sound:
    """Return the tones of a dialling telephone."""
    notes = []
    for start in np.arange(0, seconds, 0.25):
        low, high = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
        time = clock(0.15)
        notes.append((start, np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))
    return peak(lay(notes, seconds))


def footsteps(rng: Rng, seconds: float) -> Sound:
    """Return steps over faint noise."""
    notes = []
    for start in np.arange(0, seconds, rng.uniform(0.4, 0.6)):
        thud = coloured(rng, 3200, 1.5) * attack_and_decay(3200, 0.002, 0.04)
        notes.append((start, thud / np.abs(thud).max()))
    return peak(lay(notes, seconds) + 0.002 * rng.standard_normal(int(seconds * RATE_HZ)))


def laughter(rng: Rng, seconds: float) -> Sound:
    """Return bursts of breathy vowels, about five a second, that fall in pitch and loudness, with breaths between."""
    notes = []
    start = 0.0
    while start < seconds:
        pitch_hz, count = rng.uniform(150, 400), int(rng.integers(4, 10))
        for number in range(count):
            note = vowel(pitch_hz * 0.96**number, rng.uniform(0.08, 0.14), (700, 1200, 2600), rng)
            note = note / np.abs(note).max() + 0.3 * rng.standard_normal(len(note))
            notes.append((start, note * np.sin(np.pi * np.arange(len(note)) / len(note)) * 0.9**number))
            start += rng.uniform(0.16, 0.24)
        breath = band(rng.standard_normal(int(0.35 * RATE_HZ)), 500, 5000)
        notes.append((start, 0.2 * breath * np.sin(np.pi * np.arange(len(breath)) / len(breath))))
        start += rng.uniform(0.4, 0.8)
    return peak(lay(notes, seconds))


def sung(rng: Rng, seconds: float) -> Sound:
    """Return a sung line of vowels over chords: the voice that ``hummed`` makes, in front of a ``chord_pad``."""
    return peak(hummed(rng, seconds) + 0.3 * chord_pad(rng, seconds))


def vowel(pitch_hz: float, seconds: float, formants_hz: tuple[int, ...], rng: Rng) -> NDArray[np.float64]:
    """Return a voiced sound: harmonics of a slightly shaky pitch, as loud as these formants make them."""
    time = clock(seconds)
    phase = pitch_hz * time + 0.02 * rng.standard_normal() * np.sin(2 * np.pi * 7 * time)
    note = np.zeros(len(time))
    for number in range(1, int(3800 / pitch_hz)):
        weight = sum(1 / (1 + ((number * pitch_hz - formant) / 90) ** 2) for formant in formants_hz)
        note += (0.02 + weight) * np.sin(2 * np.pi * number * phase) / number**0.5
    return note


#: Every kind without a voice by its name: none of it is to pass for speech.
KINDS: dict[str, Callable[[Rng, float], Sound]] = {
    "chord pad": chord_pad,
    "arpeggio": arpeggio,
    "drums": drums,
    "pop": pop,
    "melody with vibrato": melody,
    "hummed vowels": hummed,
    "white noise": white_noise,
    "swelling pink noise": swelling_noise,
    "wind": wind,
    "mains hum": hum,
    "engine": engine,
    "applause": applause,
    "birds": birds,
    "phone tones": phone_tones,
    "footsteps": footsteps,
}
#: The same and voices without words, which the speech detector may let through.
NO_SPEECH: dict[str, Callable[[Rng, float], Sound]] = {**KINDS, "laughter": laughter, "sung vowels over chords": sung}
