# SPDX-License-Identifier: Apache-2.0
"""Finds speech for the detector and for training: stretches that are loud enough and whose level moves as speech does.

Silence must never be evidence: in two of the field's largest data sets the fakes start with a short
silence, and that alone separates them from the genuine clips (arXiv 2412.00175). So silent slots are taken
out of what the model sees, in genuine and in forged files alike.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import slot_levels_dbfs
from cad.media.records import AudioSamples
from cad.runs import flip_short_runs

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


def find_speech(audio: AudioSamples) -> NDArray[np.bool_]:
    """Return which slots of ``audio`` hold speech-like sound, bool (slots,).

    Example:
        >>> silence = AudioSamples(np.zeros(25 * 640, np.float32), np.ones(25, bool))
        >>> bool(find_speech(silence).any())
        False
    """
    if not audio.present.any():
        return np.zeros(len(audio.present), dtype=np.bool_)
    level = slot_levels_dbfs(audio.samples, without_offset=True)
    loud = float(np.percentile(level[audio.present], 95))
    loud_enough = level > max(FLOOR_DBFS, loud - BELOW_LOUD_DB)
    around = sliding_window_view(np.pad(level, LEVEL_RANGE_SLOTS // 2, mode="edge"), LEVEL_RANGE_SLOTS)
    heard = audio.present & loud_enough & (np.ptp(around, axis=1) > MIN_LEVEL_RANGE_DB)
    joined = flip_short_runs(heard, value=False, max_slots=MAX_PAUSE_SLOTS, at_edges=False) & audio.present
    return flip_short_runs(joined, value=True, max_slots=MIN_BURST_SLOTS - 1, at_edges=True)


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
