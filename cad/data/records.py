# SPDX-License-Identifier: Apache-2.0
"""The records that shards, forging, augmentation and training share: a clip on the grid, and its labels by slot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: Stored crops have the scale of the model's 160 px crops and 16 px more on every side, so that shifts, zooms and
#: rotations in training never invent a border. Canonical points in it: CANONICAL_POINTS_PX + 16.
STORED_CROP_SIZE_PX = 192
CROP_MARGIN_PX = 16


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of one person on the grid.

    Attributes:
        key: Unique name (the manifest's path).
        frames: uint8 (slots, 192, 192, 3) RGB, or None without picture.
        points_px: float32 (slots, 5, 2) in the stored crop, or None without picture.
        frames_present: bool (slots,) (all False without picture).
        audio: float32 (slots * 640,) in [-1, 1], or None without sound.
        audio_present: bool (slots,) (all False without sound).
        identity: Who.
        source: Which page or corpus it comes from.
        pair_id: Same id = same event or speaker, genuine and forged alike.
        start_seconds: Where in its file the first slot starts, counted from the file's first frame (or sample, without
            a picture), as data sets count the stretches that they call forged; below 0 where the sound begins first.
    """

    key: str
    frames: NDArray[np.uint8] | None
    points_px: NDArray[np.float32] | None
    frames_present: NDArray[np.bool_]
    audio: NDArray[np.float32] | None
    audio_present: NDArray[np.bool_]
    identity: str = ""
    source: str = ""
    pair_id: str = ""
    start_seconds: float = 0.0

    @property
    def slots(self) -> int:
        """Length on the 25 Hz grid."""
        return len(self.frames_present)


@dataclass(frozen=True, slots=True)
class LabeledClip:
    """A clip and what is known to be false in it, slot by slot.

    Attributes:
        clip: What the model will see (before codecs and crop jitter, which both classes go through).
        video_fake: float32 (slots,) 1 fake, 0 genuine, -1 unknown.
        audio_fake: float32 (slots,) likewise.
        sync_fake: float32 (slots,) 1 where lips and sound do not belong together, likewise.
        methods: Names of the forgeries applied, or of the manifest's method.
        offset_seconds: By how much the sound lags behind the lips when that is known and constant; else None.
        whole_fake: What is known of the whole where no slot of any stream tells it: 1 fake, 0 genuine, -1 nothing.
    """

    clip: Clip
    video_fake: NDArray[np.float32]
    audio_fake: NDArray[np.float32]
    sync_fake: NDArray[np.float32]
    methods: tuple[str, ...] = field(default=("real",))
    offset_seconds: float | None = None
    whole_fake: float = -1.0
