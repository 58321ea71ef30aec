# SPDX-License-Identifier: Apache-2.0
"""Labels for training and validation: of the slots of a clip by its manifest row, and of a window by its slots.

1 fake, 0 genuine, -1 unknown, as in ``cad.data.records``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Row
from cad.data.records import Clip, LabeledClip
from cad.data.shards import ClipEntry, ClipStore

UNKNOWN = -1.0

#: So many forged slots (0.12 s) make a window fake; one or two are neither fake nor genuine.
MIN_FAKE_SLOTS = 3


def window_labels(slot_labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the labels of windows from those of their slots: the one rule of training, validation and tests.

    A stream is fake where at least MIN_FAKE_SLOTS slots are, genuine where some slot is and none is fake, and unknown
    otherwise. The whole is fake where any stream is, genuine where some stream is and no slot of any is fake.

    Args:
        slot_labels: (..., 3, slots) of video, audio, sync.

    Returns:
        float32 (..., 4) fused, video, audio, sync.

    Example:
        >>> window_labels(np.array([[0, 0, 0, 0], [1, 1, 1, 0], [-1, -1, -1, -1]])).tolist()
        [1.0, 0.0, 1.0, -1.0]
    """
    fake = (slot_labels == 1).sum(-1)
    is_genuine = (fake == 0) & (slot_labels == 0).any(-1)
    streams = np.where(fake >= MIN_FAKE_SLOTS, 1.0, np.where(is_genuine, 0.0, UNKNOWN))
    whole_is_genuine = is_genuine.any(-1) & (fake == 0).all(-1)
    whole = np.where((streams == 1).any(-1), 1.0, np.where(whole_is_genuine, 0.0, UNKNOWN))
    return np.concatenate([whole[..., None], streams], axis=-1, dtype=np.float32)


def labeled_of_row(clip: Clip, row: Row) -> LabeledClip:
    """Return ``clip`` (any stretch of the row's file) with the row's labels in every slot.

    Genuine rows are in sync, with no offset. The synchrony of forged rows is unknown: a lip-to-speech voice fits the
    lips, a dubbed one does not.
    """
    both = clip.frames is not None and clip.audio is not None
    in_sync = both and not row.is_fake
    return LabeledClip(
        clip=clip,
        video_fake=_all(clip, row.video_fake),
        audio_fake=_all(clip, row.audio_fake),
        sync_fake=_all(clip, 0 if in_sync else -1),
        methods=(row.method or ("fake" if row.is_fake else "real"),),
        offset_seconds=0.0 if in_sync else None,
    )


def _all(clip: Clip, value: int) -> NDArray[np.float32]:
    return np.full(clip.slots, value, np.float32)


def is_fake_as_shown(row: Row, streams: Collection[str]) -> bool | None:
    """Return whether what is shown of a row is fake; None where that is unknown.

    With both streams the row's label decides; with one, that stream's own flag: a genuine face under a synthetic voice
    is genuine for a net that sees the face alone.
    """
    if {"video", "audio"} <= set(streams):
        return row.is_fake
    flag = row.video_fake if "video" in streams else row.audio_fake
    return None if flag == -1 else flag == 1


def judged_span(entry: ClipEntry, streams: Collection[str]) -> slice:
    """Return the slots from the first to the last one with something to judge: a face if there is one, else sound."""
    has_face = entry.has_frames and "video" in streams
    slots = np.flatnonzero(entry.frames_present if has_face else entry.audio_present)
    return slice(int(slots[0]), int(slots[-1]) + 1)


def judged_clip(store: ClipStore, row: Row, streams: Collection[str]) -> Clip:
    """Return the clip of ``row`` in its judged span, with these streams alone."""
    span = judged_span(store.entry(row.path), streams)
    return only_streams(store.read(row.path, span.start, span.stop), streams)


def only_streams(clip: Clip, streams: Collection[str]) -> Clip:
    """Return ``clip`` without its picture or its sound unless ``video`` or ``audio`` is among ``streams``."""
    nothing = np.zeros(clip.slots, bool)
    if "video" not in streams:
        clip = replace(clip, frames=None, points_px=None, frames_present=nothing)
    if "audio" not in streams:
        clip = replace(clip, audio=None, audio_present=nothing)
    return clip
