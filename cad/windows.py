# SPDX-License-Identifier: Apache-2.0
"""Windows: a short stretch of one face and the sound of the same slots, which is what the model sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """One model input; either stream may be absent (presence all False).

    Attributes:
        first_slot: Grid slot at which it starts.
        track_id: Whose face; None without picture.
        frames: uint8 (time, 160, 160, 3).
        frames_present: bool (time,).
        audio: float32 (time * 640,) 16 kHz.
        audio_present: bool (time,).
    """

    first_slot: int
    track_id: int | None
    frames: NDArray[np.uint8]
    frames_present: NDArray[np.bool_]
    audio: NDArray[np.float32]
    audio_present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WindowScore:
    """What the model said of one window: raw logits, positive for fake, uncalibrated.

    Attributes:
        first_slot: Grid slot at which the window starts.
        slots: Its length in slots.
        track_id: Whose face; None without picture.
        has_video: Share of slots with picture is enough to score.
        has_audio: Share of slots with sound is enough to score.
        logits: Clip logit by head (``fused``, ``video``, ``audio``, ``sync``).
        frame_logits: float32 (slots,) by stream (``video``, ``audio``, ``sync``).
        offset_seconds: How far the sound lags behind the lips; meaningless without both.
    """

    first_slot: int
    slots: int
    track_id: int | None
    has_video: bool
    has_audio: bool
    logits: dict[str, float]
    frame_logits: dict[str, NDArray[np.float32]]
    offset_seconds: float
