# SPDX-License-Identifier: Apache-2.0
"""hear_sounds gives the detector the speech of every sound that goes with a picture, and says why others have none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cad.media.records import AudioSamples
from cad.media.source import MediaSource
from cad.media.track_reading import read_sound
from cad.speech import keep_speech
from cad.values import ValueRecord
from cad.verdict.analysis import UnjudgedTrack
from cad.verdict.track_reasons import SILENT, UNREADABLE, same_sound


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sound(ValueRecord):
    """One sound that is judged.

    Attributes:
        number: Which of the file's sounds; None for a picture that has none.
        speech: It, with everything that is no speech marked absent; None where nothing of it could be read.
    """

    number: int | None
    speech: AudioSamples | None

    @property
    def speaks(self) -> bool:
        """Whether there is any speech."""
        return self.speech is not None and bool(self.speech.present.any())


def hear_sounds(
    source: MediaSource, numbers: Iterable[int], check: Callable[[], None]
) -> tuple[list[Sound], list[UnjudgedTrack]]:
    """Return the sounds that are judged, at least one entry, and those that are not.

    All that speak are judged, but each once, however often a file has it. Where none does the first one is kept, for
    it is what is missing.

    Args:
        source: Where they come from.
        numbers: Which of its sounds.
        check: Called every few seconds of sound; what it raises comes out.
    """
    sounds: list[Sound] = []
    unjudged: list[UnjudgedTrack] = []
    heard: dict[str, int] = {}
    for number in numbers:
        audio = read_sound(source, number)
        check()
        twin = None if audio is None else heard.setdefault(_digest(audio), number)
        if twin is not None and twin != number:
            unjudged.append(UnjudgedTrack("audio", number, same_sound(twin)))
        else:
            sounds.append(Sound(number, None if audio is None else keep_speech(audio, check)))
    kept = [sound for sound in sounds if sound.speaks] or sounds[:1] or [Sound(None, None)]
    silent = [sound for sound in sounds if sound.number not in [one.number for one in kept]]
    for sound in silent:
        why = UNREADABLE if sound.speech is None else SILENT
        unjudged.append(UnjudgedTrack("audio", sound.number or 0, why))
    return kept, unjudged


def _digest(audio: AudioSamples) -> str:
    digest = hashlib.blake2b(audio.samples.data)
    digest.update(audio.present.data)
    return digest.hexdigest()
