# SPDX-License-Identifier: Apache-2.0
"""Finds speech for the detector and for training: sound that is loud enough, moves as speech does, and is a voice.

Silence must never be evidence: in two of the field's largest data sets the fakes start with a short
silence, and that alone separates them from the genuine clips (arXiv 2412.00175). So silent slots are taken
out of what the model sees, in genuine and in forged files alike. Music and noise must be none either: the model was
taught voices, and what it says of a chord means nothing.

The level decides first, slot by slot. The speech net (``cad.speech_net``) then goes through each stretch that is left,
from its first slot on, so that silence before it changes nothing. It decides over seconds, not slots: where
it hears a voice, the sound around counts as the level says, pauses, breaths and faint words included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import levels_for_lips, slot_levels_dbfs, slot_loudness
from cad.media.records import AudioSamples
from cad.runs import flip_short_runs, runs_of
from cad.speech_net import BLOCK_SAMPLES, speech_net

#: Below this level a slot is silence whatever the rest of the file does (a first sample above 0.0005, the onset that
#: arXiv 2412.00175 uses, is -66 dB).
FLOOR_DBFS = -60.0
#: A slot this far below the file's loud slots (95th percentile) is silence too: room noise between words.
BELOW_LOUD_DB = 40.0
#: Speech rises and falls by far more than this within two seconds; a tone, a hum or hiss does not.
MIN_LEVEL_RANGE_DB = 6.0
LEVEL_RANGE_SLOTS = 51
#: Shorter pauses belong to the speech around them.
MAX_PAUSE_SLOTS = 12
#: Shorter bursts are clicks.
MIN_BURST_SLOTS = 3
#: The net hears each file as if its loud slots had this level: a far voice is a voice, too.
HEARD_AT_DBFS = -20.0
#: There is a voice where the net's mean probability over the sound of two seconds is at least this. It is low, because
#: poor forgeries, which must be judged, sound to the net like half a voice (docs/experiments.md).
MIN_VOICE = 0.25
VOICE_REACH_SLOTS = 25
#: The net is given so much at a time; whoever waits is asked in between whether it goes on.
_READ_SLOTS = 50

#: Gives the samples of the slots from a first one up to a last one, float32 (slots * 640,), zeros where there are none.
ReadSlots = Callable[[int, int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Where in a sound somebody speaks.

    Attributes:
        present: bool (slots,).
        level: Of each slot of the sound, from ``cad.loudness.levels_for_lips``.
        read: Gives its samples, some seconds at a time and about in order.
    """

    present: NDArray[np.bool_]
    level: NDArray[np.float64]
    read: ReadSlots

    @classmethod
    def of_audio(cls, audio: AudioSamples) -> Speech:
        """Return a sound that is held as a whole and is present where somebody speaks."""
        return cls(audio.present, levels_for_lips(audio.samples), _reader_of(audio))

    @property
    def loudness(self) -> NDArray[np.float64]:
        """Loudness of the speech in dB, float64 (slots,), NaN where there is none."""
        return slot_loudness(self.level, self.present)

    def cut(self, first_slot: int, stop_slot: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the samples of some slots, float32 (slots * 640,), and where they are speech, bool (slots,).

        What is no speech is zeros.
        """
        present = np.zeros(stop_slot - first_slot, dtype=np.bool_)
        known = self.present[first_slot:stop_slot]
        present[: len(known)] = known
        if not present.any():
            return np.zeros(len(present) * SAMPLES_PER_FRAME, dtype=np.float32), present
        samples = self.read(first_slot, stop_slot)
        samples.reshape(-1, SAMPLES_PER_FRAME)[~present] = 0.0
        return samples, present


def _reader_of(audio: AudioSamples) -> ReadSlots:
    def read(first_slot: int, stop_slot: int) -> NDArray[np.float32]:
        samples = np.zeros((stop_slot - first_slot) * SAMPLES_PER_FRAME, np.float32)
        known = audio.samples[first_slot * SAMPLES_PER_FRAME : stop_slot * SAMPLES_PER_FRAME]
        samples[: len(known)] = known
        return samples

    return read


def find_speech(audio: AudioSamples) -> NDArray[np.bool_]:
    """Return which slots of ``audio`` hold speech, bool (slots,).

    Raises:
        WeightsError: The packaged speech net is damaged.

    Example:
        >>> silence = AudioSamples(np.zeros(25 * 640, np.float32), np.ones(25, bool))
        >>> bool(find_speech(silence).any())
        False
    """
    return slots_of_speech(audio.present, levels_for_speech(audio.samples), _reader_of(audio))


def levels_for_speech(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of every whole slot, in dBFS, by which speech is found."""
    return slot_levels_dbfs(samples, without_offset=True)


def slots_of_speech(present: NDArray[np.bool_], level: NDArray[np.float64], read: ReadSlots) -> NDArray[np.bool_]:
    """Return which slots of a sound hold speech, bool (slots,), without having all of its samples at once.

    Args:
        present: bool (slots,), where there is sound.
        level: Of each slot, from ``levels_for_speech``.
        read: Gives the samples, some seconds at a time and in order.

    Raises:
        WeightsError: The packaged speech net is damaged.
    """
    if not present.any():
        return np.zeros(len(present), dtype=np.bool_)
    loud = float(np.percentile(level[present], 95))
    moving = find_moving(present, level, loud)
    return moving & _find_voice(read, moving, 10 ** ((HEARD_AT_DBFS - loud) / 20))


def find_moving(present: NDArray[np.bool_], level: NDArray[np.float64], loud: float) -> NDArray[np.bool_]:
    """Return where the level, in dBFS, is high enough beside ``loud`` and moves as that of speech."""
    loud_enough = level > max(FLOOR_DBFS, loud - BELOW_LOUD_DB)
    around = sliding_window_view(np.pad(level, LEVEL_RANGE_SLOTS // 2, mode="edge"), LEVEL_RANGE_SLOTS)
    heard = present & loud_enough & (np.ptp(around, axis=1) > MIN_LEVEL_RANGE_DB)
    joined = flip_short_runs(heard, value=False, max_slots=MAX_PAUSE_SLOTS, at_edges=False) & present
    return flip_short_runs(joined, value=True, max_slots=MIN_BURST_SLOTS - 1, at_edges=True)


def _find_voice(read: ReadSlots, moving: NDArray[np.bool_], gain: float) -> NDArray[np.bool_]:
    """Return where the net hears a voice within VOICE_REACH_SLOTS, as it goes through the stretches of ``moving``."""
    voice = np.zeros(len(moving))
    for start, stop in runs_of(moving):
        hearing = speech_net().hear(gain)
        blocks = [
            hearing.push(read(first, min(first + _READ_SLOTS, stop))) for first in range(start, stop, _READ_SLOTS)
        ]
        voice[start:stop] = _by_slot(np.concatenate([*blocks, hearing.end()]), stop - start)
    mean = _sum_around(voice) / np.maximum(_sum_around(moving), MAX_PAUSE_SLOTS)
    return _sum_around(moving & (mean >= MIN_VOICE)) > 0.5


def _by_slot(blocks: NDArray[np.float32], slots: int) -> NDArray[np.float32]:
    """Return the highest value of the net's blocks that lie in each slot, float32 (slots,)."""
    first = np.arange(slots) * SAMPLES_PER_FRAME // BLOCK_SAMPLES
    last = (np.arange(1, slots + 1) * SAMPLES_PER_FRAME - 1) // BLOCK_SAMPLES
    return np.asarray(np.maximum.reduce([blocks[first], blocks[np.minimum(first + 1, last)], blocks[last]]))


def _sum_around(values: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sum of ``values`` from VOICE_REACH_SLOTS before each slot to as many after it."""
    total = np.cumsum(np.pad(values.astype(np.float64), (VOICE_REACH_SLOTS + 1, VOICE_REACH_SLOTS)))
    return np.asarray(total[2 * VOICE_REACH_SLOTS + 1 :] - total[: -2 * VOICE_REACH_SLOTS - 1])


def keep_speech(audio: AudioSamples) -> AudioSamples:
    """Return ``audio`` with every slot that holds no speech marked absent and set to zero.

    Example:
        >>> silence = AudioSamples(np.zeros(25 * 640, np.float32), np.ones(25, bool))
        >>> int(keep_speech(silence).present.sum())
        0
    """
    speech = find_speech(audio)
    samples = audio.samples * np.repeat(speech, SAMPLES_PER_FRAME).astype(np.float32)
    return AudioSamples(samples, speech)
