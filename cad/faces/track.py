# SPDX-License-Identifier: Apache-2.0
"""FaceTrack gives the tracker one person within one shot: sightings at some slots, and states at those between."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.faces.align import align_face
from cad.faces.cuts import likeness
from cad.faces.records import FaceDetection, rescaled
from cad.faces.smooth import REACH_SLOTS, between, smooth_at

#: A face is taken to have been there between sightings this near to each other (a hand passing, a miss of the net).
BRIDGE_SLOTS = 10
#: A face that is not seen for longer than this is another track when it comes back.
LOST_SLOTS = FRAME_RATE_HZ
#: After a gap a face must be at least this much like the track's to go on with it.
SAME_APPEARANCE = 0.35
_APPEARANCE_PX = 24
_APPEARANCE_STEP = 10
_HERE = np.zeros(1, dtype=np.intp)


class FaceTrack:
    """Sightings of one face, in order.

    Args:
        slot: Where it is first seen.
        face: What is seen there.
        frame: The picture, for its appearance.
    """

    def __init__(self, slot: int, face: FaceDetection, frame: NDArray[np.uint8]) -> None:
        self.track_id: int | None = None
        self.first_slot = slot
        self._slots: list[int] = []
        self._faces: list[FaceDetection] = []
        self._appearance = appearance(frame, face)
        self._appearance_slot = slot
        self.see(slot, face)

    @property
    def last_slot(self) -> int:
        """Slot of the last sighting."""
        return self._slots[-1]

    @property
    def last(self) -> FaceDetection:
        """The last sighting."""
        return self._faces[-1]

    def see(self, slot: int, face: FaceDetection) -> None:
        """Add a sighting in its place by time; it replaces one at the same slot."""
        index = bisect_left(self._slots, slot)
        if index < len(self._slots) and self._slots[index] == slot:
            self._faces[index] = face
            return
        self._slots.insert(index, slot)
        self._faces.insert(index, face)

    def rescale(self, factors: NDArray[np.float32]) -> None:
        """Follow the picture to another size: every sighting is multiplied by ``factors`` (x, y)."""
        self._faces = [rescaled(face, factors) for face in self._faces]

    def remember_appearance(self, slot: int, frame: NDArray[np.uint8], face: FaceDetection) -> None:
        """Now and then, let the remembered appearance follow the face as it turns."""
        if slot < self._appearance_slot + _APPEARANCE_STEP:
            return
        self._appearance_slot = slot
        self._appearance = 0.7 * self._appearance + 0.3 * appearance(frame, face)

    def looks_like(self, frame: NDArray[np.uint8], face: FaceDetection) -> bool:
        """Say whether a face found after a gap may be this one."""
        return likeness(self._appearance, appearance(frame, face)) >= SAME_APPEARANCE

    def expected_points(self, slot: int) -> NDArray[np.float32]:
        """Return where the points should be at ``slot``: moved on for a moment as between the last two sightings."""
        points = self._faces[-1].points_px
        ago = slot - self._slots[-1]
        index = len(self._slots) - 2
        # Sightings may lie close together where the face was looked at in between; a speed needs some distance.
        while index > 0 and self._slots[-1] - self._slots[index] < ago:
            index -= 1
        if index < 0:
            return points
        gap = self._slots[-1] - self._slots[index]
        if gap > BRIDGE_SLOTS or ago > 2 * gap:
            return points
        # Only the face as a whole is moved on, because the motion of its parts is too noisy for that.
        step = (points - self._faces[index].points_px).mean(axis=0) * np.float32(ago / gap)
        return np.asarray(points + step, dtype=np.float32)

    def present_at(self, slot: int) -> bool:
        """Say whether the face is there at ``slot``: seen, or between two near sightings."""
        before, after = bisect_right(self._slots, slot) - 1, bisect_left(self._slots, slot)
        return before >= 0 and after < len(self._slots) and self._slots[after] - self._slots[before] <= BRIDGE_SLOTS

    def state_at(self, slot: int) -> FaceDetection:
        """Return box, smoothed points and score at a slot at which the face is present."""
        slots, faces = self._around(slot)
        away = slots - slot  # the same few distances again and again, for which the weights are known
        known = np.arange(max(away[0], -REACH_SLOTS), min(away[-1], REACH_SLOTS) + 1)
        values = np.empty((len(faces), 7, 2), dtype=np.float32)
        for value, face in zip(values, faces, strict=True):
            value[:5], value[5:] = face.points_px, face.box_px.reshape(2, 2)
        smooth = smooth_at(known, between(away, values, known), 0)
        scores = np.array([face.score for face in faces], dtype=np.float32)
        score = float(between(away, scores, _HERE)[0])
        return FaceDetection(smooth[5:].reshape(4), smooth[:5], score)

    def forget_before(self, slot: int) -> None:
        """Drop the sightings on which no slot from ``slot`` on depends."""
        while len(self._slots) > 2 and self._slots[1] < slot - REACH_SLOTS:
            del self._slots[0], self._faces[0]

    def _around(self, slot: int) -> tuple[NDArray[np.intp], list[FaceDetection]]:
        """Return the sightings about ``slot`` that no gap separates from it."""
        stop = bisect_right(self._slots, slot)
        start = stop - 1
        while start > 0 and self._joined(start - 1) and self._slots[start] > slot - REACH_SLOTS:
            start -= 1
        while stop < len(self._slots) and self._joined(stop - 1) and self._slots[stop - 1] < slot + REACH_SLOTS:
            stop += 1
        return np.array(self._slots[start:stop], dtype=np.intp), self._faces[start:stop]

    def _joined(self, index: int) -> bool:
        return self._slots[index + 1] - self._slots[index] <= BRIDGE_SLOTS


def appearance(frame: NDArray[np.uint8], face: FaceDetection) -> NDArray[np.float32]:
    """Return the aligned face as a small, softened grey picture, float32 (24, 24)."""
    crop = align_face(frame, face.points_px, 2 * _APPEARANCE_PX, 0)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_APPEARANCE_PX,) * 2, interpolation=cv2.INTER_AREA), dtype=np.float32)
