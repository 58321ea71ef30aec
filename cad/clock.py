# SPDX-License-Identifier: Apache-2.0
"""The one clock that all modules share: a 25 Hz grid with 640 samples of 16 kHz sound to a slot.

Slot ``i`` of the grid covers the presentation times ``[i / 25, (i + 1) / 25)`` seconds after the first
instant at which any stream of the file exists. Sound and picture are paired by slot, never by
``index / fps`` (see MediaInfo.origin_seconds).
"""

from __future__ import annotations

import math

FRAME_RATE_HZ = 25
SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAME_RATE_HZ


def slot_of(seconds: float) -> int:
    """Return the grid slot that contains the instant ``seconds`` (grid time).

    Example:
        >>> slot_of(0.0), slot_of(0.0399), slot_of(0.04)
        (0, 0, 1)
    """
    # The tolerance absorbs time stamps that were rounded to a container's millisecond clock.
    return math.floor(seconds * FRAME_RATE_HZ + 1e-6)


def seconds_of(slot: int) -> float:
    """Return the grid time in seconds at which ``slot`` starts.

    Example:
        >>> seconds_of(50)
        2.0
    """
    return slot / FRAME_RATE_HZ
