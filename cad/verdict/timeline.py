# SPDX-License-Identifier: Apache-2.0
"""Lays overlapping windows back onto the grid, for verdicts: one value a slot, NaN where nothing was scored.

A film has thousands of faces, each seen for seconds. So a face has a Line over its own time alone, and what is said of
the whole file is gathered from them one by one: the cost follows what was seen, not faces times length.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from cad.windows import WindowScore

#: Length of the moving average over the logits, about the length of a syllable.
SMOOTHING_SLOTS = 5

Timeline = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One value a slot over a stretch of a file.

    Attributes:
        first_slot: Where the stretch starts.
        values: float64 (slots of the stretch,), NaN where nothing was scored.
    """

    first_slot: int
    values: Timeline

    @property
    def stop_slot(self) -> int:
        """Where the stretch ends (half open)."""
        return self.first_slot + len(self.values)

    @property
    def known(self) -> Mask:
        """Which slots of the stretch have a value, bool (slots of the stretch,)."""
        return ~np.isnan(self.values)

    def of(self, whole: NDArray[np.generic]) -> NDArray[Any]:
        """Return what a line over the whole file has in this stretch; a view."""
        return whole[self.first_slot : self.stop_slot]

    def over(self, slots: int) -> Timeline:
        """Return the line over a whole file, float64 (slots,)."""
        return highest([self], slots)


def evidence_slots(score: WindowScore, head: str) -> Mask:
    """Return in which slots of a window a head had something to look at, bool (slots,)."""
    video = score.frames_present & score.has_video
    audio = score.audio_present & score.has_audio
    # Synchrony is judged over a window, not a slot: speech pauses are part of it as long as both streams are there.
    both = video & np.bool_(score.has_audio)
    return {"video": video, "audio": audio, "sync": both, "fused": video | audio}[head]


def clip_line(scores: Sequence[WindowScore], head: str) -> Line:
    """Return the mean, over the windows that cover a slot, of a head's clip logits."""
    return lay_out(scores, head, lambda score: np.full(score.slots, score.logits[head]))


def frame_line(scores: Sequence[WindowScore], stream: str) -> Line:
    """Return the mean, over the windows that cover a slot, of a stream's frame logits."""
    return lay_out(scores, stream, lambda score: score.frame_logits[stream].astype(np.float64))


def lay_out(scores: Sequence[WindowScore], head: str, values: Callable[[WindowScore], NDArray[np.float64]]) -> Line:
    """Return the mean of ``values`` over the windows that cover a slot and have evidence there, over their time."""
    spans = [(score.first_slot, score.first_slot + score.slots) for score in scores]
    first = min((start for start, _ in spans), default=0)
    slots = max((stop for _, stop in spans), default=0) - first
    total = np.zeros(slots)
    count = np.zeros(slots)
    for score in scores:
        inside = slice(score.first_slot - first, score.first_slot - first + score.slots)
        there = evidence_slots(score, head)
        total[inside] += np.where(there, values(score), 0.0)
        count[inside] += there
    return Line(first, np.where(count > 0, total / np.maximum(count, 1.0), np.nan))


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


def highest(lines: Iterable[Line], slots: int) -> Timeline:
    """Return the greatest value in every slot of a file, float64 (slots,); NaN where no line has one."""
    return _gather(np.fmax, lines, slots)


def lowest(lines: Iterable[Line], slots: int) -> Timeline:
    """Return the least value in every slot of a file, float64 (slots,); NaN where no line has one."""
    return _gather(np.fmin, lines, slots)


def _gather(choose: np.ufunc, lines: Iterable[Line], slots: int) -> Timeline:
    whole = np.full(slots, np.nan)
    for line in lines:
        part = line.of(whole)
        choose(part, line.values, out=part)
    return whole


def faces_in(lines: Iterable[Line], slots: int) -> NDArray[np.intp]:
    """Return how many of the lines have a value in every slot of a file, int (slots,)."""
    count = np.zeros(slots, dtype=np.intp)
    for line in lines:
        part = line.of(count)
        part += line.known
    return count


def stream_timelines(scores: Sequence[WindowScore], slots: int) -> dict[str, Timeline]:
    """Return one line of frame logits a stream for a file in which several faces may be seen at once.

    Picture: the most suspicious face of the slot. Synchrony: the face that fits the sound best, because the
    others are not the ones who speak. Sound: there is only one.
    """
    faces = by_track(scores)
    return {
        "video": highest((frame_line(own, "video") for own in faces.values()), slots),
        "audio": frame_line(scores, "audio").over(slots),
        "sync": lowest((frame_line(own, "sync") for own in faces.values()), slots),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Some(Sequence[WindowScore]):
    """Some of the scores of a file, taken out of them one by one: they may be packed (cad.scores)."""

    scores: Sequence[WindowScore]
    places: array[int]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> WindowScore: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[WindowScore]: ...
    def __getitem__(self, place: int | slice) -> WindowScore | Sequence[WindowScore]:
        if isinstance(place, slice):
            return _Some(self.scores, self.places[place])
        return self.scores[self.places[place]]


def by_track(scores: Sequence[WindowScore]) -> dict[int, Sequence[WindowScore]]:
    """Return the windows of every face, by track."""
    places: dict[int, array[int]] = {}
    for place, score in enumerate(scores):
        if score.track_id is not None:
            places.setdefault(score.track_id, array("q")).append(place)
    return {track_id: _Some(scores, own) for track_id, own in places.items()}
