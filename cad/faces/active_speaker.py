# SPDX-License-Identifier: Apache-2.0
"""ActiveSpeaker tells the verdict which face talks: how well each mouth's motion follows the loudness of the sound.

The motion of a mouth is how much its grey picture changes from slot to slot in the aligned crop, less half of what the
upper face changes in the same slot (head turns, noise, light). Its rank correlation with the loudness is taken at the
best of a few lags, because sound and lips may be slightly apart. A face that does not move its lips, such as one on a
poster, scores 0 however loud the sound is.

The score helps to choose the face whose synchrony counts (cad.verdict.aggregate). It is no evidence for or against a
forgery.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.records import CROP_SIZE_PX, FaceCrops

#: Mouth (what lies between its corners) and upper face in a canonical crop: left, top, right, bottom.
MOUTH_PX = (64, 96, 98, 122)
UPPER_PX = (46, 40, 114, 84)
#: Correlations are taken over lags of up to this many slots either way: sound 0.4 s late is common. Two faces and the
#: sound of one of them (59 pairs of genuine clips): loudness alone chooses the speaker in 84 % as recorded; with the
#: sound 0.2 s late, 0.2 s early, 0.4 s late and 0.4 s early in 78, 82, 71 and 76 %. Lags of up to 3 slots do so in
#: 77, 58, 70, 44 and 64 %.
MAX_LAG_SLOTS = 10
#: Fewer slots with both face and sound tell nothing,
LEAST_SLOTS = 15
#: nor do fewer that overlap at a lag.
LEAST_OVERLAP_SLOTS = 12
#: A mouth counts as moving if it changes on average by this many grey levels more than its share of the upper face's
#: change. Sensor noise alone stays below; nearly all real talkers lie above 1.
LEAST_MOTION = 0.8
#: This share of the upper face's change is taken off.
UPPER_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class LipScore:
    """How well a face goes with the sound.

    Attributes:
        track_id: Whose face.
        score: In [0, 1]; correlation of lips and loudness, 0 without lip motion or where nothing can be told.
        motion: Mean change of the mouth, less half that of the upper face, in grey levels a slot.
        slots: How many slots with face and sound it rests on.
    """

    track_id: int
    score: float
    motion: float
    slots: int


@dataclass(slots=True)
class _Lips:
    """Mouth motion of one track, and in which slots; the last slot with its mouth and upper face."""

    slots: array[int] = field(default_factory=lambda: array("i"))
    motion: array[float] = field(default_factory=lambda: array("d"))
    last: tuple[int, NDArray[np.float32], NDArray[np.float32]] | None = None


class ActiveSpeaker:
    """Follows the lips of every track as its crops come by; it keeps twelve bytes for each slot, and no pictures of a
    track that has ended.

    Example:
        >>> ActiveSpeaker().scores(None)
        []
    """

    def __init__(self) -> None:
        self._lips: dict[int, _Lips] = {}

    def push(self, crops: FaceCrops) -> None:
        """Take the next crops of one track, aligned, of CROP_SIZE_PX."""
        lips = self._lips.setdefault(crops.track_id, _Lips())
        for index in np.flatnonzero(crops.present):
            _follow(lips, crops.first_slot + int(index), crops.crops[index])

    def end(self, track_id: int) -> None:
        """Take note that a track gets no more crops."""
        self._lips[track_id].last = None

    def scores(self, loudness: NDArray[np.float64] | None) -> list[LipScore]:
        """Return the score of every track, by track; without sound all are 0.

        Args:
            loudness: Of every slot, from ``cad.loudness.slot_loudness``.
        """
        return [
            lip_score(track_id, np.array(lips.slots, dtype=np.intp), np.array(lips.motion), loudness)
            for track_id, lips in sorted(self._lips.items())
        ]


def _follow(lips: _Lips, slot: int, crop: NDArray[np.uint8]) -> None:
    mouth, upper = _patch(crop, MOUTH_PX), _patch(crop, UPPER_PX)
    if lips.last is not None and lips.last[0] == slot - 1:
        lips.slots.append(slot)
        lips.motion.append(_change(mouth, lips.last[1]) - UPPER_SHARE * _change(upper, lips.last[2]))
    lips.last = slot, mouth, upper


def _patch(crop: NDArray[np.uint8], place: tuple[int, int, int, int]) -> NDArray[np.float32]:
    left, top, right, bottom = place
    scale = crop.shape[0] / CROP_SIZE_PX
    part = crop[round(top * scale) : round(bottom * scale), round(left * scale) : round(right * scale)]
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def _change(now: NDArray[np.float32], before: NDArray[np.float32]) -> float:
    """Return the mean absolute change once an even change of light is taken out."""
    difference = now - before
    return float(np.abs(difference - median_of(difference)).mean())


def median_of(values: NDArray[np.float32]) -> np.float32:
    """Return the median of finite values: what ``np.median`` gives, at a fifth of its cost for a small picture.

    Example:
        >>> median_of(np.float32([[4, 1], [3, 9]])), median_of(np.float32([4, 1, 3]))
        (np.float32(3.5), np.float32(3.0))
    """
    middle, rest = divmod(values.size, 2)
    if rest:
        return np.float32(np.partition(values, middle, axis=None)[middle])
    ordered = np.partition(values, (middle - 1, middle), axis=None)
    return np.float32((ordered[middle - 1] + ordered[middle]) / np.float32(2))


def lip_score(
    track_id: int, slots: NDArray[np.intp], motion: NDArray[np.float64], loudness: NDArray[np.float64] | None
) -> LipScore:
    """Return how well the motion of a mouth follows the loudness.

    Args:
        track_id: Whose.
        slots: In which it is known, rising.
        motion: float64, in each of them, in grey levels a slot.
        loudness: Of every slot of the file; None without sound.
    """
    mean = float(motion.mean()) if len(motion) else 0.0
    if loudness is None or len(slots) < LEAST_SLOTS:
        return LipScore(track_id, 0.0, mean, 0)
    # Only the sound around the face's own time can go with it: a film has thousands of faces.
    first = max(0, int(slots[0]) - MAX_LAG_SLOTS)
    near = loudness[first : int(slots[-1]) + 1 + MAX_LAG_SLOTS]
    moving = np.full(max(int(slots[-1]) + 1 - first, len(near)), np.nan)
    moving[slots - first] = motion
    loud = np.full(len(moving), np.nan)
    loud[: len(near)] = near
    known = int((np.isfinite(moving) & np.isfinite(loud)).sum())
    if mean < LEAST_MOTION or known < LEAST_SLOTS:
        return LipScore(track_id, 0.0, mean, known)
    best = max(_rank_correlation(moving, loud, lag) for lag in range(-MAX_LAG_SLOTS, MAX_LAG_SLOTS + 1))
    return LipScore(track_id, max(0.0, best), mean, known)


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64], lag: int) -> float:
    """Return Spearman's correlation of ``a`` with ``b`` moved ``lag`` slots earlier, over the slots that both have."""
    a, b = (a[: len(a) - lag], b[lag:]) if lag >= 0 else (a[-lag:], b[: len(b) + lag])
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < LEAST_OVERLAP_SLOTS:
        return 0.0
    x, y = (np.argsort(np.argsort(series[known])).astype(np.float64) for series in (a, b))
    if np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
