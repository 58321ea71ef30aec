# SPDX-License-Identifier: Apache-2.0
"""hear_sounds gives the detector the speech of every sound that goes with a picture, and says why others have none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import levels_for_lips
from cad.media.source import MediaSource
from cad.sound_tape import KeptBytes, SoundTape
from cad.speech import Speech, levels_for_speech, slots_of_speech
from cad.verdict.analysis import UnjudgedTrack
from cad.verdict.track_reasons import SILENT, UNREADABLE, same_sound


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One sound that is judged.

    Attributes:
        number: Which of the file's sounds; None for a picture that has none.
        speech: Where in it somebody speaks; None where nothing of it could be read.
        tape: What the speech is read from.
    """

    number: int | None
    speech: Speech | None = None
    tape: SoundTape | None = None

    @property
    def speaks(self) -> bool:
        """Whether there is any speech."""
        return self.speech is not None and bool(self.speech.present.any())

    def close(self) -> None:
        """Let go of its samples."""
        if self.tape is not None:
            self.tape.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """What is kept of a sound from the first pass over it, by slot."""

    present: NDArray[np.bool_]
    speech_level: NDArray[np.float64]
    lips_level: NDArray[np.float64]
    digest: str


def hear_sounds(
    source: MediaSource, numbers: Iterable[int], check: Callable[[], None]
) -> tuple[list[Sound], list[UnjudgedTrack]]:
    """Return the sounds that are judged, at least one entry, and those that are not.

    All that speak are judged, but each once, however often a file has it. Where none does the first one is kept, for
    it is what is missing. Whoever is given the sounds closes them.

    Args:
        source: Where they come from.
        numbers: Which of its sounds.
        check: Called every few seconds of sound, also while the sounds are read later on; what it raises comes out.
    """
    sounds: list[Sound] = []
    unjudged: list[UnjudgedTrack] = []
    known: dict[str, int] = {}
    room = KeptBytes()
    for number in numbers:
        tape = SoundTape(source, number, room, check)
        heard = _listen(tape)
        twin = None if heard is None else known.setdefault(heard.digest, number)
        if twin is not None and twin != number:
            unjudged.append(UnjudgedTrack("audio", number, same_sound(twin)))
        else:
            sounds.append(Sound(number, None if heard is None else _speech(heard, tape), tape))
        if twin != number or not sounds[-1].speaks:
            tape.close()
    kept = [sound for sound in sounds if sound.speaks] or sounds[:1] or [Sound(None)]
    silent = [sound for sound in sounds if sound.number not in [one.number for one in kept]]
    for sound in silent:
        why = UNREADABLE if sound.speech is None else SILENT
        unjudged.append(UnjudgedTrack("audio", sound.number or 0, why))
    return kept, unjudged


def _listen(tape: SoundTape) -> _Heard | None:
    """Go through a sound for the first time; None where nothing of it could be read."""
    parts: list[tuple[slice, NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]] = []
    digest = hashlib.blake2b()
    for block in tape.listen():
        slots = slice(block.first_slot, block.stop_slot)
        parts.append((slots, block.present, levels_for_speech(block.samples), levels_for_lips(block.samples)))
        digest.update(block.samples.reshape(-1, SAMPLES_PER_FRAME)[block.present].data)
    if not parts:
        return None
    silence = np.zeros(SAMPLES_PER_FRAME, np.float32)
    present = np.zeros(tape.slots, np.bool_)
    speech_level = np.full(tape.slots, levels_for_speech(silence)[0])
    lips_level = np.full(tape.slots, levels_for_lips(silence)[0])
    for slots, there, for_speech, for_lips in parts:
        present[slots], speech_level[slots], lips_level[slots] = there, for_speech, for_lips
    digest.update(present.data)
    return _Heard(present, speech_level, lips_level, digest.hexdigest())


def _speech(heard: _Heard, tape: SoundTape) -> Speech:
    present = slots_of_speech(heard.present, heard.speech_level, tape.read)
    return Speech(present, heard.lips_level, tape.read)
