# SPDX-License-Identifier: Apache-2.0
"""Outbox holds crops back for the tracker until their track has lasted long enough to matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad.faces.records import FaceCrops, FaceDetection
from cad.faces.track import FaceTrack


class _Waiting:
    """Crops of one track that have not been given out yet."""

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.crops: list[NDArray[np.uint8]] = []
        self.states: list[FaceDetection] = []
        self.given_to: int | None = None
        self.closed = False


class Outbox:
    """Gathers crops by track and gives out those of tracks that are long enough, numbered in order of appearance.

    Args:
        size_px: Side of the crops.
    """

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._waiting: dict[FaceTrack, _Waiting] = {}
        self._numbered = 0

    def add(self, track: FaceTrack, slot: int, crop: NDArray[np.uint8], state: FaceDetection) -> None:
        """Add the crop of one slot; slots of a track come in order."""
        waiting = self._waiting.setdefault(track, _Waiting())
        waiting.slots.append(slot)
        waiting.crops.append(crop)
        waiting.states.append(state)

    def close(self, track: FaceTrack) -> None:
        """Say that a track gets no more crops."""
        if track in self._waiting:
            self._waiting[track].closed = True

    def collect(self, min_slots: int) -> list[FaceCrops]:
        """Return the crops of every track that has had ``min_slots``; drop those of shorter ones that are closed."""
        ready: list[FaceCrops] = []
        for track, waiting in sorted(self._waiting.items(), key=lambda item: item[0].first_slot):
            if track.track_id is None and len(waiting.slots) >= min_slots:
                track.track_id = self._numbered
                self._numbered += 1
            if track.track_id is not None and waiting.slots:
                ready.append(self._record(track.track_id, waiting))
            if waiting.closed:
                del self._waiting[track]
        return ready

    def _record(self, track_id: int, waiting: _Waiting) -> FaceCrops:
        """Return what waits as consecutive slots, with absent ones where the face was not seen."""
        first = waiting.slots[0] if waiting.given_to is None else waiting.given_to
        count = waiting.slots[-1] + 1 - first
        rows = np.array(waiting.slots) - first
        record = FaceCrops(
            track_id=track_id,
            first_slot=first,
            crops=np.zeros((count, self._size_px, self._size_px, 3), dtype=np.uint8),
            present=np.zeros(count, dtype=np.bool_),
            boxes_px=np.zeros((count, 4), dtype=np.float32),
            points_px=np.zeros((count, 5, 2), dtype=np.float32),
            scores=np.zeros(count, dtype=np.float32),
        )
        record.crops[rows] = np.stack(waiting.crops)
        record.present[rows] = True
        record.boxes_px[rows] = np.stack([state.box_px for state in waiting.states])
        record.points_px[rows] = np.stack([state.points_px for state in waiting.states])
        record.scores[rows] = np.array([state.score for state in waiting.states], dtype=np.float32)
        waiting.given_to = waiting.slots[-1] + 1
        waiting.slots, waiting.crops, waiting.states = [], [], []
        return record
