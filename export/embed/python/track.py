# SPDX-License-Identifier: Apache-2.0
"""One face within one shot: where it was seen at some slots, and where it is taken to be at those between."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np


class Face(NamedTuple):
    """A face in one picture, in its pixels: box (4,) left, top, right, bottom; points (5, 2) x, y; score in [0, 1]."""

    box: np.ndarray
    points: np.ndarray
    score: float

    @property
    def height(self) -> float:
        """Height of the box."""
        return float(self.box[3] - self.box[1])


class Track:
    """Sightings of one face, in order of time.

    Args:
        slot: Where it is first seen.
        face: What is seen there.
        looks: Its small grey picture, to know it again after a gap.
        rules: Constants of the kit.
    """

    def __init__(self, slot: int, face: Face, looks: np.ndarray, rules: SimpleNamespace) -> None:
        self.number: int | None = None  # until it has been seen for long enough
        self.slots, self.faces, self.rules = [slot], [face], rules
        self.looks, self.looks_slot = looks, slot

    @property
    def last_slot(self) -> int:
        """Slot of the last sighting."""
        return self.slots[-1]

    @property
    def last(self) -> Face:
        """The last sighting."""
        return self.faces[-1]

    def see(self, slot: int, face: Face) -> None:
        """Add a sighting in its place by time; it replaces one at the same slot."""
        index = bisect_left(self.slots, slot)
        if index < len(self.slots) and self.slots[index] == slot:
            self.faces[index] = face
        else:
            self.slots.insert(index, slot)
            self.faces.insert(index, face)

    def expected_points(self, slot: int) -> np.ndarray:
        """Return where the points should be now: the whole face moved on as between two earlier sightings."""
        points, ago, index = self.last.points, slot - self.last_slot, len(self.slots) - 2
        while index > 0 and self.last_slot - self.slots[index] < ago:
            index -= 1
        gap = 0 if index < 0 else self.last_slot - self.slots[index]
        if index < 0 or gap > self.rules.track.bridge_slots or ago > 2 * gap:
            return points
        step = (points - self.faces[index].points).mean(axis=0) * np.float32(ago / gap)
        return (points + step).astype(np.float32)

    def present_at(self, slot: int) -> bool:
        """Say whether the face is there: seen, or between two sightings that are near to each other."""
        before, after = bisect_right(self.slots, slot) - 1, bisect_left(self.slots, slot)
        return (
            before >= 0
            and after < len(self.slots)
            and self.slots[after] - self.slots[before] <= (self.rules.track.bridge_slots)
        )

    def state_at(self, slot: int) -> Face:
        """Return box and points at a slot: straight lines between the sightings, then a smooth line through them."""
        reach = self.rules.smooth.reach_slots
        slots, faces = self._around(slot, reach)
        known = np.arange(max(slots[0], slot - reach), min(slots[-1], slot + reach) + 1)
        values = np.stack([np.concatenate([face.points, face.box.reshape(2, 2)]) for face in faces])
        lines = between(np.array(slots), values, known)
        shares = local_line_shares(known - slot, self.rules.smooth.sigma_slots)
        smooth = np.tensordot(shares, lines, axes=1).astype(np.float32)
        return Face(smooth[5:].reshape(4), smooth[:5], self.last.score)

    def forget_before(self, slot: int) -> None:
        """Drop the sightings on which no slot from ``slot`` on depends."""
        while len(self.slots) > 2 and self.slots[1] < slot - self.rules.smooth.reach_slots:
            del self.slots[0], self.faces[0]

    def _around(self, slot: int, reach: int) -> tuple[list[int], list[Face]]:
        """Return the sightings about ``slot`` that no gap separates from it."""
        stop = bisect_right(self.slots, slot)
        start = stop - 1
        while start > 0 and self._joined(start - 1) and self.slots[start] > slot - reach:
            start -= 1
        while stop < len(self.slots) and self._joined(stop - 1) and self.slots[stop - 1] < slot + reach:
            stop += 1
        return self.slots[start:stop], self.faces[start:stop]

    def _joined(self, index: int) -> bool:
        return self.slots[index + 1] - self.slots[index] <= self.rules.track.bridge_slots


def between(slots: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return ``values`` (n, ...) at ``wanted`` slots, on straight lines between the ``slots`` where they are known."""
    after = np.clip(np.searchsorted(slots, wanted), 1, max(1, len(slots) - 1))
    before, after = after - 1, np.minimum(after, len(slots) - 1)
    share = (wanted - slots[before]) / np.maximum(slots[after] - slots[before], 1)
    share = share.astype(np.float32).reshape(-1, *([1] * (values.ndim - 1)))
    return values[before] * (1 - share) + values[after] * share


def local_line_shares(away: np.ndarray, sigma: float) -> np.ndarray:
    """Return how much each slot, ``away`` from here, counts in the value of the weighted straight line through all."""
    weight = np.exp(-0.5 * (away / sigma) ** 2)
    s0, s1, s2 = weight.sum(), (weight * away).sum(), (weight * away * away).sum()
    spread = s0 * s2 - s1 * s1
    return weight / s0 if spread < 1e-9 else weight * (s2 - s1 * away) / spread


def is_one_face(one: Face, other: Face, rules: SimpleNamespace) -> bool:
    """Say whether two faces of one picture are one, or one is a part of the other that passes for a face."""
    areas = sorted(float(np.clip(face.box[2:] - face.box[:2], 0, None).prod()) for face in (one, other))
    low, high = np.maximum(one.box[:2], other.box[:2]), np.minimum(one.box[2:], other.box[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    inside = shared > rules.overlap.part_of_face * areas[0] > 0
    return inside or shared > rules.overlap.same_face * max(sum(areas) - shared, 1e-9)


def match(expected: list[Face], found: list[Face], rules: SimpleNamespace) -> list[int | None]:
    """Return for each expected face which of the found ones it is, or None; the surest pairs first."""
    owners: list[int | None] = [None] * len(expected)
    affinity = np.array([[_affinity(one, other, rules) for other in found] for one in expected])
    while affinity.size and affinity.max() > 0:
        row, column = np.unravel_index(affinity.argmax(), affinity.shape)
        owners[row] = int(column)
        affinity[row, :] = affinity[:, column] = 0
    return owners


def _affinity(one: Face, other: Face, rules: SimpleNamespace) -> float:
    """Return the overlap of two boxes; a little for boxes of like heights that are near to each other, else 0."""
    low, high = np.maximum(one.box[:2], other.box[:2]), np.minimum(one.box[2:], other.box[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    union = sum(float(np.clip(face.box[2:] - face.box[:2], 0, None).prod()) for face in (one, other)) - shared
    if (overlap := shared / max(union, 1e-9)) >= rules.overlap.least_overlap:
        return overlap
    low_height, high_height = sorted((one.height, other.height))
    away = float(np.linalg.norm((one.box[:2] + one.box[2:] - other.box[:2] - other.box[2:]) / 2))
    return (
        0.2
        if low_height >= rules.overlap.alike_height * high_height and away <= rules.overlap.near * high_height
        else 0.0
    )
