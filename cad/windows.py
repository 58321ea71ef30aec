# SPDX-License-Identifier: Apache-2.0
"""Cuts what the model sees: windows of a short stretch of one face and the sound of the same slots."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.faces.records import CROP_SIZE_PX, FaceCrops
from cad.runs import runs_of
from cad.speech import Speech
from cad.values import ValueRecord

#: A track whose crops stop for longer than this is cut in two: the gap would fill most of a window.
MAX_GAP_SLOTS = FRAME_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Window(ValueRecord):
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WindowScore(ValueRecord):
    """What the model said of one window: raw logits, positive for fake, uncalibrated.

    Attributes:
        first_slot: Grid slot at which the window starts.
        slots: Its length in slots.
        track_id: Whose face; None without picture.
        has_video: Share of slots with picture is enough to score.
        has_audio: Share of slots with sound is enough to score.
        logits: Clip logit by head (``fused``, ``video``, ``audio``, ``sync``); here and in the next two NaN for a head
            that the model lacks.
        frame_logits: float32 (slots,) by stream (``video``, ``audio``, ``sync``).
        offset_seconds: How far the sound lags behind the lips; meaningless without both.
        frames_present: bool (slots,) as in the window.
        audio_present: bool (slots,) as in the window.
    """

    first_slot: int
    slots: int
    track_id: int | None
    has_video: bool
    has_audio: bool
    logits: dict[str, float]
    frame_logits: dict[str, NDArray[np.float32]]
    offset_seconds: float
    frames_present: NDArray[np.bool_]
    audio_present: NDArray[np.bool_]


@dataclass(slots=True)
class _OpenTrack:
    """Crops of one face from the start of its last window on."""

    first_slot: int
    crops: list[NDArray[np.uint8]] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)
    last_window_slot: int | None = None

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.crops)

    def drop_before(self, slot: int) -> None:
        count = slot - self.first_slot
        del self.crops[:count], self.present[:count]
        self.first_slot = slot


class WindowCutter:
    """Cuts the crops of every face, and the sound that no face goes with, into windows.

    Every track is cut by itself: windows of ``window_slots`` every ``hop_slots`` from its first slot, the last one
    aligned to its end; a track shorter than that gives one window, and one shorter than ``min_slots`` none.
    At most a window and a hop of every open track are held.

    Args:
        speech: The sound; None without any.
        window_slots: Length of a window, as the model was trained on.
        hop_slots: From one window to the next.
        min_slots: Shortest window that the model can judge.
        joint_slots: Where another recording begins (MediaInfo.joint_slots): no window reaches across.
    """

    def __init__(
        self,
        speech: Speech | None,
        window_slots: int,
        hop_slots: int,
        min_slots: int,
        joint_slots: Sequence[int] = (),
    ) -> None:
        self._speech = speech
        self._window_slots = window_slots
        self._hop_slots = hop_slots
        self._min_slots = min_slots
        self._joints = sorted(joint_slots)
        self._open: dict[int, _OpenTrack] = {}
        # Slots whose sound went into a window together with a face.
        self._covered = np.zeros(0 if speech is None else len(speech.present), dtype=np.bool_)

    def push(self, crops: FaceCrops) -> list[Window]:
        """Take the next crops of one track and return the windows that they complete.

        Raises:
            ValueError: ``crops`` start before the end of what the same track already gave.
        """
        stop_slot = crops.first_slot + len(crops.present)
        parts = self._split_at_joints([(crops.first_slot, stop_slot)])
        return [window for first, stop in parts for window in self._push(part_of(crops, first, stop))]

    def advance(self, slot: int) -> list[Window]:
        """Take note that no crop of a slot before ``slot`` will come, and return the windows of tracks that have ended.

        So the sound of a window lies never far before the newest picture.
        """
        done = [one for one, track in self._open.items() if track.stop_slot + MAX_GAP_SLOTS < slot]
        return [window for track_id in done for window in self._close(track_id)]

    def _push(self, crops: FaceCrops) -> list[Window]:
        """Take crops in which there is no joint."""
        windows: list[Window] = []
        track = self._open.get(crops.track_id)
        if track is not None and (
            crops.first_slot - track.stop_slot > MAX_GAP_SLOTS
            or self._joints_between(track.stop_slot, crops.first_slot + 1)
        ):
            windows += self._close(crops.track_id)
            track = None
        if track is None:
            track = self._open[crops.track_id] = _OpenTrack(crops.first_slot)
        _append(track, crops)
        return windows + self._cut_full(crops.track_id, track)

    def flush(self) -> Iterator[Window]:
        """Yield the windows at the end of every open track, then those of sound that no face went with."""
        for track_id in sorted(self._open):
            yield from self._close(track_id)
        yield from self._sound_alone()

    def _cut_full(self, track_id: int, track: _OpenTrack) -> list[Window]:
        windows: list[Window] = []
        while True:
            start = track.first_slot if track.last_window_slot is None else track.last_window_slot + self._hop_slots
            if start + self._window_slots > track.stop_slot:
                return windows
            track.drop_before(start)
            track.last_window_slot = start
            windows.append(self._cut(track_id, track, start, start + self._window_slots))

    def _close(self, track_id: int) -> list[Window]:
        track = self._open.pop(track_id)
        if track.last_window_slot is None:
            long_enough = track.stop_slot - track.first_slot >= self._min_slots
            return [self._cut(track_id, track, track.first_slot, track.stop_slot)] if long_enough else []
        if track.last_window_slot + self._window_slots == track.stop_slot:
            return []
        return [self._cut(track_id, track, track.stop_slot - self._window_slots, track.stop_slot)]

    def _cut(self, track_id: int, track: _OpenTrack, start: int, stop: int) -> Window:
        inside = slice(start - track.first_slot, stop - track.first_slot)
        audio, audio_present = self._sound(start, stop)
        self._covered[start:stop] = True
        present = np.array(track.present[inside], dtype=np.bool_)
        return Window(start, track_id, np.stack(track.crops[inside]), present, audio, audio_present)

    def _sound(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if self._speech is not None:
            return self._speech.cut(start, stop)
        return np.zeros((stop - start) * SAMPLES_PER_FRAME, np.float32), np.zeros(stop - start, np.bool_)

    def _sound_alone(self) -> Iterator[Window]:
        if self._speech is None:
            return
        for first, last in self._split_at_joints(runs_of(~self._covered)):
            # Windows start where the speech starts, so that silence before it changes nothing at all.
            spoken = first + np.flatnonzero(self._speech.present[first:last])
            if len(spoken) < self._min_slots:
                continue
            stop_slot = int(spoken[-1]) + 1
            for start, stop in window_spans(int(spoken[0]), stop_slot, self._window_slots, self._hop_slots):
                audio, audio_present = self._sound(start, stop)
                if audio_present.any():
                    # A view of one zero: an hour of sound alone must not cost an hour of empty pictures.
                    frames = np.broadcast_to(np.uint8(0), (stop - start, CROP_SIZE_PX, CROP_SIZE_PX, 3))
                    absent = np.zeros(stop - start, dtype=np.bool_)
                    yield Window(start, None, frames, absent, audio, audio_present)

    def _joints_between(self, first: int, stop: int) -> list[int]:
        return self._joints[bisect_left(self._joints, first) : bisect_left(self._joints, stop)]

    def _split_at_joints(self, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for first, stop in spans:
            yield from pairwise([first, *self._joints_between(first + 1, stop), stop])


def window_spans(first_slot: int, stop_slot: int, window_slots: int, hop_slots: int) -> list[tuple[int, int]]:
    """Return the [start, stop) slots of the windows that cover [first_slot, stop_slot).

    Example:
        >>> window_spans(0, 110, 50, 25)
        [(0, 50), (25, 75), (50, 100), (60, 110)]
        >>> window_spans(3, 20, 50, 25)
        [(3, 20)]
    """
    if stop_slot - first_slot <= window_slots:
        return [(first_slot, stop_slot)]
    starts = list(range(first_slot, stop_slot - window_slots + 1, hop_slots))
    if starts[-1] + window_slots < stop_slot:
        starts.append(stop_slot - window_slots)
    return [(start, start + window_slots) for start in starts]


def part_of(crops: FaceCrops, first_slot: int, stop_slot: int) -> FaceCrops:
    """Return the slots [first_slot, stop_slot) of ``crops``."""
    if first_slot == crops.first_slot and stop_slot - first_slot == len(crops.present):
        return crops
    inside = slice(first_slot - crops.first_slot, stop_slot - crops.first_slot)
    return replace(
        crops,
        first_slot=first_slot,
        crops=crops.crops[inside],
        present=crops.present[inside],
        boxes_px=crops.boxes_px[inside],
        points_px=crops.points_px[inside],
        scores=crops.scores[inside],
    )


def _append(track: _OpenTrack, crops: FaceCrops) -> None:
    gap = crops.first_slot - track.stop_slot
    if gap < 0:
        raise ValueError(
            f"crops of track {crops.track_id} start at slot {crops.first_slot}, but it already has slots up to "
            f"{track.stop_slot}; push every slot once, in order"
        )
    empty = np.zeros((CROP_SIZE_PX, CROP_SIZE_PX, 3), dtype=np.uint8)
    track.crops += [empty] * gap + list(crops.crops)
    track.present += [False] * gap + [bool(present) for present in crops.present]
