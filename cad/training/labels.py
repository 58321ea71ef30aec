# SPDX-License-Identifier: Apache-2.0
"""What a manifest row says of each slot of its clip."""

from __future__ import annotations

import numpy as np

from cad.data.manifest import ManifestRow
from cad.data.records import Clip, LabeledClip


def labeled_of_row(clip: Clip, row: ManifestRow) -> LabeledClip:
    """Return ``clip`` (any stretch of the row's file) with the row's labels in every slot.

    Genuine rows are in sync, with no offset. Of forged rows nothing is known about synchrony: a lip-to-speech voice
    fits the lips, a dubbed one does not.
    """
    both = clip.frames is not None and clip.audio is not None
    in_sync = both and not row.is_fake
    return LabeledClip(
        clip=clip,
        video_fake=_all(clip, row.video_fake),
        audio_fake=_all(clip, row.audio_fake),
        sync_fake=_all(clip, 0 if in_sync else -1),
        methods=(row.method or row.label,),
        offset_seconds=0.0 if in_sync else None,
    )


def _all(clip: Clip, value: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(clip.slots, value, np.float32)
