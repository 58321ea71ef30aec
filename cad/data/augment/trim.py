# SPDX-License-Identifier: Apache-2.0
"""Silence at the ends of a clip, cut from genuine and forged clips by the same rule.

In FakeAVCeleb and AV-Deepfake1M a short silence before the speech tells fakes from genuine clips almost by itself
(arXiv 2412.00175); whoever trains or scores on such files cuts it first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.records import Clip

#: Source: the detector of arXiv 2412.00175 calls sound what exceeds this at 16 kHz.
SOUND_LEVEL = 0.0005


def sounding_slots(clip: Clip, level: float = SOUND_LEVEL) -> slice:
    """Return the slots from the first to the last that is not silent; all of them without sound.

    Args:
        clip: Any clip.
        level: Largest absolute sample of a silent slot.

    Example:
        >>> quiet, loud = np.zeros(640, np.float32), np.full(640, 0.1, np.float32)
        >>> present = np.ones(4, bool)
        >>> clip = Clip("k", None, None, ~present, np.concatenate([quiet, loud, loud, quiet]), present)
        >>> sounding_slots(clip)
        slice(1, 3, None)
    """
    if clip.audio is None:
        return slice(0, clip.slots)
    loud = np.flatnonzero(_peaks(clip.audio) > level)
    return slice(int(loud[0]), int(loud[-1]) + 1) if len(loud) else slice(0, clip.slots)


def _peaks(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    slots = audio[: len(audio) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME].reshape(-1, SAMPLES_PER_FRAME)
    return np.asarray(np.abs(slots).max(axis=1))
