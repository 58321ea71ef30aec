# SPDX-License-Identifier: Apache-2.0
"""Outbox holds crops back for the tracker until their track has lasted long enough to matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.faces.records import FaceCrops, FaceDetection
from cad.faces.track import FaceTrack


class _Waiting:
    """Slots of one track with their crops and states that have not been given out yet."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, NDArray[np.uint8], FaceDetection]] = []
        self.given_to: int | None = None
        self.closed = False


class Outbox:
    """Gathers crops by track and gives out those of tracks that are long enough, numbered in order of appearance."""

    def __init__(self) -> None:
        self._waiting: dict[FaceTrack, _Waiting] = {}
        self._numbered = 0

    def add(self, track: FaceTrack, slot: int, crop: NDArray[np.uint8], state: FaceDetection) -> None:
        """Add the crop of one slot; slots of a track come in order."""
        self._waiting.setdefault(track, _Waiting()).seen.append((slot, crop, state))

    def close(self, track: FaceTrack) -> None:
        """Say that a track gets no more crops."""
        if track in self._waiting:
            self._waiting[track].closed = True

    def collect(self, min_slots: int) -> list[FaceCrops]:
        """Return the crops of every track that has had ``min_slots``; drop those of shorter ones that are closed."""
        ready: list[FaceCrops] = []
        for track, waiting in sorted(self._waiting.items(), key=lambda item: item[0].first_slot):
            if track.track_id is None and len(waiting.seen) >= min_slots:
                track.track_id = self._numbered
                self._numbered += 1
            if track.track_id is not None and waiting.seen:
                ready.append(_record(track.track_id, waiting))
            if waiting.closed:
                del self._waiting[track]
        return ready


def _record(track_id: int, waiting: _Waiting) -> FaceCrops:
    """Take out what waits as consecutive slots, with absent ones where the face was not seen."""
    slots, crops, states = zip(*waiting.seen, strict=True)
    first = slots[0] if waiting.given_to is None else waiting.given_to
    waiting.seen, waiting.given_to = [], slots[-1] + 1
    rows = np.array(slots) - first
    return FaceCrops(
        track_id=track_id,
        first_slot=first,
        crops=_spread(rows, crops),
        present=_spread(rows, [np.True_] * len(rows)),
        boxes_px=_spread(rows, [state.box_px for state in states]),
        points_px=_spread(rows, [state.points_px for state in states]),
        scores=_spread(rows, [np.float32(state.score) for state in states]),
    )


def _spread(rows: NDArray[np.intp], values: Sequence[Any]) -> NDArray[Any]:
    """Return the values in their rows, with zeros between them."""
    stacked = np.stack(values)
    if len(stacked) == rows[-1] + 1:
        return stacked
    spread = np.zeros((rows[-1] + 1, *stacked.shape[1:]), stacked.dtype)
    spread[rows] = stacked
    return spread
