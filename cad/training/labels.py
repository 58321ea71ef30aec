# SPDX-License-Identifier: Apache-2.0
"""Labels for training and validation: of the slots of a clip by its manifest row, and of a window by its slots.

1 fake, 0 genuine, -1 unknown, as in ``cad.data.records``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, seconds_of
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


def with_known_flags(row: Row, entry: ClipEntry) -> Row:
    """Return ``row`` with the flags that follow from its label and from the streams of its clip.

    Both streams of a genuine row are genuine. A forged row whose other stream is absent or genuine is forged in the
    one that is left; where nothing tells the streams apart both stay unknown, and the whole alone is learnt.
    """
    if not row.is_fake:
        return replace(row, video_fake=max(row.video_fake, 0), audio_fake=max(row.audio_fake, 0))
    video, audio = row.video_fake, row.audio_fake
    if audio == -1 and entry.has_audio and (video == 0 or not entry.has_frames):
        audio = 1
    if video == -1 and entry.has_frames and (audio == 0 or not entry.has_audio):
        video = 1
    return replace(row, video_fake=video, audio_fake=audio)


def stretches_of(row: Row, stream: str) -> tuple[tuple[float, float], ...]:
    """Return the forged [start, stop) of a stream in seconds of the file; nothing where it is genuine or forged whole.

    A stream's own stretches count where the row has any; those of the whole row apply to each stream that is forged
    (or may be).
    """
    flag, own = (
        (row.video_fake, row.video_fake_segments) if stream == "video" else (row.audio_fake, row.audio_fake_segments)
    )
    return () if flag == 0 or not row.is_fake else own or row.fake_segments


def forged_slots(start_seconds: float, slots: int, stretches: Iterable[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which of ``slots`` slots, the first at ``start_seconds`` of the file, lie in a stretch by at least a half.

    Example:
        >>> np.flatnonzero(forged_slots(1.0, 8, [(1.05, 1.13)])).tolist()
        [1, 2]
    """
    starts = start_seconds + np.arange(slots) / FRAME_RATE_HZ
    stops = starts + 1 / FRAME_RATE_HZ
    covered = np.zeros(slots)
    for start, stop in stretches:
        covered += np.clip(np.minimum(stops, stop) - np.maximum(starts, start), 0, None)
    return np.asarray(covered >= 0.5 / FRAME_RATE_HZ - 1e-6)


def labeled_of_row(clip: Clip, row: Row) -> LabeledClip:
    """Return ``clip`` (any stretch of the row's file) with the row's labels by slot.

    A stream that is forged in stretches is genuine in the others: they went through the same codecs as the forged
    ones, so that they show what is no trace of a forgery. Genuine rows are in sync, with no offset. The synchrony of
    forged rows is unknown, that of their genuine stretches too: a lip-to-speech voice fits the lips, a dubbed one does
    not, and what was cut in may have moved the rest.
    """
    both = clip.frames is not None and clip.audio is not None
    in_sync = both and not row.is_fake
    return LabeledClip(
        clip=clip,
        video_fake=_slot_labels(clip, row, "video"),
        audio_fake=_slot_labels(clip, row, "audio"),
        sync_fake=np.full(clip.slots, 0 if in_sync else -1, np.float32),
        whole_fake=_whole(clip, row),
        methods=(row.method or ("fake" if row.is_fake else "real"),),
        offset_seconds=0.0 if in_sync else None,
    )


def fake_starts(entry: ClipEntry, row: Row, streams: Collection[str], length: int) -> NDArray[np.intp] | None:
    """Return where in its judged span windows of a row start that have a forged part in a stream that is shown.

    Returns:
        First slots, counted from that of the span; None for a row that is not forged in stretches.
    """
    stretches = {stream: stretches_of(row, stream) for stream in sorted(streams)}
    if not any(stretches.values()):
        return None
    span = judged_span(entry, streams)
    start_seconds, slots = entry.start_seconds + seconds_of(span.start), span.stop - span.start
    counts = [
        np.convolve(forged_slots(start_seconds, slots, own), np.ones(length, int), "valid")
        for own in stretches.values()
    ]
    return np.flatnonzero(np.max(counts, axis=0) >= MIN_FAKE_SLOTS)


def _slot_labels(clip: Clip, row: Row, stream: str) -> NDArray[np.float32]:
    flag = row.video_fake if stream == "video" else row.audio_fake
    labels = np.full(clip.slots, flag, np.float32)
    stretches = stretches_of(row, stream)
    if stretches:
        forged = forged_slots(clip.start_seconds, clip.slots, stretches)
        # Where it is not known which stream is forged, both are genuine where nothing is, and unknown elsewhere.
        labels[~forged if flag == 1 else ~forged & ~forged.any()] = 0
    return labels


def _whole(clip: Clip, row: Row) -> float:
    """Return what the label alone says of a stretch."""
    if not row.is_fake or not row.fake_segments:
        return float(row.label)
    forged = forged_slots(clip.start_seconds, clip.slots, row.fake_segments)
    return float(window_labels(np.stack([forged] * 3).astype(np.float32))[0])


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
