# SPDX-License-Identifier: Apache-2.0
"""Lays overlapping windows back onto the grid, for verdicts: one value a slot, NaN where nothing was scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cad.windows import WindowScore

#: Length of the moving average over the logits, about the length of a syllable.
SMOOTHING_SLOTS = 5

Timeline = NDArray[np.float64]
Mask = NDArray[np.bool_]


def evidence_slots(score: WindowScore, head: str) -> Mask:
    """Return in which slots of a window a head had something to look at, bool (slots,)."""
    video = score.frames_present & score.has_video
    audio = score.audio_present & score.has_audio
    # Synchrony is judged over a window, not a slot: speech pauses are part of it as long as both streams are there.
    both = video & np.bool_(score.has_audio)
    return {"video": video, "audio": audio, "sync": both, "fused": video | audio}[head]


def clip_timeline(scores: Iterable[WindowScore], head: str, slots: int) -> Timeline:
    """Return the mean, over the windows that cover a slot, of a head's clip logits, float64 (slots,)."""
    return lay_out(scores, slots, head, lambda score: np.full(score.slots, score.logits[head]))


def frame_timeline(scores: Iterable[WindowScore], stream: str, slots: int) -> Timeline:
    """Return the mean, over the windows that cover a slot, of a stream's frame logits, float64 (slots,)."""
    return lay_out(scores, slots, stream, lambda score: score.frame_logits[stream].astype(np.float64))


def lay_out(
    scores: Iterable[WindowScore], slots: int, head: str, values: Callable[[WindowScore], NDArray[np.float64]]
) -> Timeline:
    """Return the mean of ``values`` over the windows that cover a slot and have evidence there."""
    total = np.zeros(slots)
    count = np.zeros(slots)
    for score in scores:
        inside = slice(score.first_slot, score.first_slot + score.slots)
        there = evidence_slots(score, head)
        total[inside] += np.where(there, values(score), 0.0)
        count[inside] += there
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def smooth(line: Timeline) -> Timeline:
    """Return the moving average over SMOOTHING_SLOTS of what is known; NaN stays NaN.

    Example:
        >>> smooth(np.array([0.0, 0.0, 5.0, np.nan])).tolist()
        [1.6666666666666667, 1.6666666666666667, 1.6666666666666667, nan]
    """
    if not len(line):  # of a clip shorter than a slot
        return line
    known = ~np.isnan(line)
    kernel = np.ones(SMOOTHING_SLOTS)
    half = SMOOTHING_SLOTS // 2
    total = np.convolve(np.where(known, line, 0.0), kernel)[half : half + len(line)]
    count = np.convolve(known.astype(np.float64), kernel)[half : half + len(line)]
    return np.where(known, total / np.maximum(count, 1.0), np.nan)


def mean_or_none(timeline: Timeline) -> float | None:
    """Return the mean over the slots that have a value, or None if none has."""
    known = timeline[~np.isnan(timeline)]
    return float(known.mean()) if len(known) else None


def highest(timelines: Iterable[Timeline], slots: int) -> Timeline:
    """Return the greatest value in every slot, float64 (slots,); NaN where no timeline has one."""
    return np.asarray(reduce(np.fmax, timelines, np.full(slots, np.nan)))


def lowest(timelines: Iterable[Timeline], slots: int) -> Timeline:
    """Return the least value in every slot, float64 (slots,); NaN where no timeline has one."""
    return np.asarray(reduce(np.fmin, timelines, np.full(slots, np.nan)))


def stream_timelines(scores: Sequence[WindowScore], slots: int) -> dict[str, Timeline]:
    """Return one line of frame logits a stream for a file in which several faces may be seen at once.

    Picture: the most suspicious face of the slot. Synchrony: the face that fits the sound best, because the
    others are not the ones who speak. Sound: there is only one.
    """
    faces = by_track(scores)
    return {
        "video": highest((frame_timeline(own, "video", slots) for own in faces.values()), slots),
        "audio": frame_timeline(scores, "audio", slots),
        "sync": lowest((frame_timeline(own, "sync", slots) for own in faces.values()), slots),
    }


def by_track(scores: Iterable[WindowScore]) -> dict[int, list[WindowScore]]:
    """Return the windows of every face, by track."""
    faces: dict[int, list[WindowScore]] = {}
    for score in scores:
        if score.track_id is not None:
            faces.setdefault(score.track_id, []).append(score)
    return faces
