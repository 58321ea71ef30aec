# SPDX-License-Identifier: Apache-2.0
"""Speech activity by level, for forgers that need speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.loudness import rms, slot_levels_dbfs

#: A slot is active when its level is at most this far below the loudest one ...
ACTIVE_RANGE_DB = 30.0
#: ... and above the noise floor of poor recordings.
SILENCE_DBFS = -60.0
#: Share of active slots from which sound is speech.
LEAST_SHARE = 0.3


def active_slots(audio: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which slots are loud enough to be speech, bool (slots,)."""
    levels = slot_levels_dbfs(audio)
    return np.asarray(levels >= max(levels.max(initial=SILENCE_DBFS) - ACTIVE_RANGE_DB, SILENCE_DBFS))


def has_speech(audio: NDArray[np.float32] | None) -> bool:
    """Say whether at least ``LEAST_SHARE`` of the slots are active."""
    return audio is not None and len(audio) >= SAMPLES_PER_FRAME and bool(active_slots(audio).mean() >= LEAST_SHARE)


def matched_level(piece: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``piece`` at the active level of ``like``, so that loudness does not give a splice away."""
    wanted, given = _active_level(like), _active_level(piece)
    if given <= 0 or wanted <= 0:
        return piece
    scaled = piece * np.float32(wanted / given)
    peak = float(np.abs(scaled).max(initial=0))
    return (scaled / np.float32(peak) if peak > 1 else scaled).astype(np.float32)


def _active_level(audio: NDArray[np.float32]) -> float:
    active = np.repeat(active_slots(audio), SAMPLES_PER_FRAME)
    return rms(audio[: len(active)][active])
