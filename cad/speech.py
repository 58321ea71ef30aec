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

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import slot_levels_dbfs
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


def find_speech(audio: AudioSamples, check: Callable[[], None] = lambda: None) -> NDArray[np.bool_]:
    """Return which slots of ``audio`` hold speech, bool (slots,).

    Raises:
        WeightsError: The packaged speech net is damaged.

    Example:
        >>> silence = AudioSamples(np.zeros(25 * 640, np.float32), np.ones(25, bool))
        >>> bool(find_speech(silence).any())
        False
    """
    if not audio.present.any():
        return np.zeros(len(audio.present), dtype=np.bool_)
    level = slot_levels_dbfs(audio.samples, without_offset=True)
    loud = float(np.percentile(level[audio.present], 95))
    moving = find_moving(audio.present, level, loud)
    return moving & _find_voice(audio.samples, moving, 10 ** ((HEARD_AT_DBFS - loud) / 20), check)


def find_moving(present: NDArray[np.bool_], level: NDArray[np.float64], loud: float) -> NDArray[np.bool_]:
    """Return where the level, in dBFS, is high enough beside ``loud`` and moves as that of speech."""
    loud_enough = level > max(FLOOR_DBFS, loud - BELOW_LOUD_DB)
    around = sliding_window_view(np.pad(level, LEVEL_RANGE_SLOTS // 2, mode="edge"), LEVEL_RANGE_SLOTS)
    heard = present & loud_enough & (np.ptp(around, axis=1) > MIN_LEVEL_RANGE_DB)
    joined = flip_short_runs(heard, value=False, max_slots=MAX_PAUSE_SLOTS, at_edges=False) & present
    return flip_short_runs(joined, value=True, max_slots=MIN_BURST_SLOTS - 1, at_edges=True)


def _find_voice(
    samples: NDArray[np.float32], moving: NDArray[np.bool_], gain: float, check: Callable[[], None]
) -> NDArray[np.bool_]:
    """Return where the net hears a voice within VOICE_REACH_SLOTS, as it goes through the stretches of ``moving``."""
    voice = np.zeros(len(moving))
    for start, stop in runs_of(moving):
        stretch = samples[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        voice[start:stop] = _by_slot(speech_net().probabilities(stretch, gain, check), stop - start)
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


def keep_speech(audio: AudioSamples, check: Callable[[], None] = lambda: None) -> AudioSamples:
    """Return ``audio`` with every slot that holds no speech marked absent and set to zero.

    Example:
        >>> silence = AudioSamples(np.zeros(25 * 640, np.float32), np.ones(25, bool))
        >>> int(keep_speech(silence).present.sum())
        0
    """
    speech = find_speech(audio, check)
    samples = audio.samples * np.repeat(speech, SAMPLES_PER_FRAME).astype(np.float32)
    return AudioSamples(samples, speech)
