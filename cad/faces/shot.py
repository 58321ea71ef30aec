# SPDX-License-Identifier: Apache-2.0
"""Shot gives the tracker the faces of one shot: it sees them at key slots and follows them between.

Two kinds of look keep it cheap. A *search* covers the whole picture. It runs at the start of a shot, every SEARCH_STEP
slots for faces that have entered (now and then at every size), and at once when a face is not where it was expected. A
*look* covers only the places where faces are expected. It runs every LOOK_STEP slots, and in between where a face has
moved too unevenly for a straight line. A picture that stands still is looked at once, and searched again only more
deeply than before.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad.faces.finder import EVERY_SIZE, LONG_SIDES_PX, MAX_FACES, SMALL_FACE_PX, FaceFinder, height_of
from cad.faces.overlap import is_among, match
from cad.faces.records import FaceDetection
from cad.faces.track import BRIDGE_SLOTS, LOST_SLOTS, FaceTrack

LOOK_STEP = 5
SEARCH_STEP = 15
#: The first picture of a shot and then one in DEEPEST_STEP slots is searched at every size; one in DEEP_STEP up to the
#: second of LONG_SIDES_PX. While a large face is known, it is one in BESIDE_STEP, at every size.
DEEP_STEP, DEEPEST_STEP, BESIDE_STEP = 25, 100, 250
#: Where too many faces are followed, a new one takes the place of the smallest if it is this many times as high.
MUCH_LARGER = 1.2
#: A face that is this far, in eye distances, from where even motion would have brought it is looked at in between too.
#: A straight line between the looks is off by about an eighth of that.
UNEVEN = 0.25
#: Halfway between two looks the line may be off by this much before the halves are looked at, too.
LINE_OFF = 0.06
#: A known face is believed at a lower score than a new one.
KNOWN_SCORE = 0.5

FrameAt = Callable[[int], NDArray[np.uint8] | None]


class Shot:
    """The tracks of one shot, from its first picture on.

    Args:
        finder: Finds the faces.
        frame_at: Gives the picture of a recent slot, or None where there is none.
        most_faces: How many faces are followed at a time.

    Attributes:
        tracks: The faces that are followed.
        left_out: How many more faces than that one search has seen, at most.
    """

    def __init__(self, finder: FaceFinder, frame_at: FrameAt, most_faces: int = MAX_FACES) -> None:
        self._finder = finder
        self._frame_at = frame_at
        self._most_faces = most_faces
        self._given_up: list[FaceTrack] = []
        self.left_out = 0
        self.tracks: list[FaceTrack] = []
        self._last_slot: int | None = None
        # Since when the picture that is shown now has been standing, and how deeply it has been searched.
        self._standing_slot, self._searched_depth = 0, 0
        self._last_look = self._last_search = self._last_deep = self._last_deepest = -math.inf

    def push(self, slot: int, frame: NDArray[np.uint8], stands: bool = False) -> None:
        """Take the picture of the next slot that has one; ``stands`` says that it is the one before once more."""
        self._last_slot = slot
        if not stands:
            self._standing_slot, self._searched_depth = slot, 0
        searching = slot - self._last_search >= SEARCH_STEP
        if searching or slot - self._last_look >= LOOK_STEP:
            self._look(slot, frame, searching)

    def close(self) -> None:
        """Look at the last picture of the shot, so that nothing after the last look has to be guessed."""
        slot = self._last_slot
        if slot is not None and slot != self._last_look and (frame := self._frame_at(slot)) is not None:
            self._look(slot, frame, searching=False)

    def retire(self, slot: int) -> list[FaceTrack]:
        """Take out and return the tracks that have not been seen for LOST_SLOTS before ``slot``."""
        gone = [track for track in self.tracks if slot - track.last_slot > LOST_SLOTS] + self._given_up
        self._given_up = []
        self.tracks = [track for track in self.tracks if slot - track.last_slot <= LOST_SLOTS]
        return gone

    def rescale(self, factors: NDArray[np.float32]) -> None:
        """Go on with pictures that are ``factors`` (x, y) times as large."""
        for track in self.tracks:
            track.rescale(factors)

    def _look(self, slot: int, frame: NDArray[np.uint8], searching: bool) -> None:
        """Look for every track where it is expected, and search if asked to or if one is not seen there."""
        if self._last_look >= self._standing_slot:
            self._look_again(slot, frame, searching)
            return
        self._last_look = slot
        seen = self._finder.refine(frame, [track.expected_points(slot) for track in self.tracks], KNOWN_SCORE)
        missed: list[FaceTrack] = []
        taken: list[FaceDetection] = []
        for track, face in zip(self.tracks, seen, strict=True):
            if face is None or is_among(face, taken) or not self._goes_on(track, slot, frame, face):
                missed.append(track)
            else:
                taken.append(face)
                self._note(track, slot, frame, face)
        if searching or missed:
            self._search(slot, frame, missed, self._depth(slot, frame))

    def _look_again(self, slot: int, frame: NDArray[np.uint8], searching: bool) -> None:
        """Take what was seen of the picture before, since it still stands."""
        for track in self.tracks:
            if track.last_slot == self._last_look:
                track.see(slot, track.last)
        self._last_look = slot
        if searching and (depth := self._depth(slot, frame)) > self._searched_depth:
            self._search(slot, frame, [], depth)

    def _search(self, slot: int, frame: NDArray[np.uint8], missed: list[FaceTrack], depth: int) -> None:
        """Go over the whole picture for the tracks that were missed where they were expected, and for new ones."""
        self._last_search, self._searched_depth = slot, max(depth, self._searched_depth)
        seen_now = [track.last for track in self.tracks if track.last_slot == slot]
        fresh = self._finder.find(frame, depth, seen_now, every_size=depth == EVERY_SIZE)
        for track, index in zip(missed, match([track.last for track in missed], fresh), strict=True):
            if index is not None and self._goes_on(track, slot, frame, fresh[index]):
                self._note(track, slot, frame, fresh[index])
                seen_now.append(fresh[index])
        new = [face for face in fresh if not is_among(face, seen_now)]
        self.left_out = max(self.left_out, len(self.tracks) + len(new) - self._most_faces)
        for face in new:
            if len(self.tracks) < self._most_faces or self._gives_way(face):
                self.tracks.append(FaceTrack(slot, face, frame))

    def _gives_way(self, face: FaceDetection) -> bool:
        """Give up the track of the smallest face for a new one, if that is much larger."""
        smallest = min(self.tracks, key=lambda track: height_of(track.last))
        if height_of(face) < MUCH_LARGER * height_of(smallest.last):
            return False
        self.tracks.remove(smallest)
        self._given_up.append(smallest)
        return True

    def _depth(self, slot: int, frame: NDArray[np.uint8]) -> int:
        """Return how many sizes the search may try: all of them at first and now and then, else only the cheapest."""
        scale = min(1.0, LONG_SIDES_PX[0] / max(frame.shape[:2]))
        large = any(height_of(track.last) * scale >= SMALL_FACE_PX for track in self.tracks)
        if slot - self._last_deepest >= (BESIDE_STEP if large else DEEPEST_STEP):
            self._last_deep = self._last_deepest = slot
            return EVERY_SIZE
        if large or slot - self._last_deep < DEEP_STEP:
            return 1
        self._last_deep = slot
        return 2

    def _goes_on(self, track: FaceTrack, slot: int, frame: NDArray[np.uint8], face: FaceDetection) -> bool:
        return slot - track.last_slot <= LOOK_STEP or track.looks_like(frame, face)

    def _note(self, track: FaceTrack, slot: int, frame: NDArray[np.uint8], face: FaceDetection) -> None:
        before, old, expected = track.last_slot, track.last, track.expected_points(slot)
        track.see(slot, face)
        track.remember_appearance(slot, frame, face)
        if slot - before <= BRIDGE_SLOTS and _apart(expected, face.points_px) > UNEVEN:
            self._fill(track, before, old, slot, face)

    def _fill(self, track: FaceTrack, start: int, first: FaceDetection, stop: int, last: FaceDetection) -> None:
        """Look halfway between two sightings, and again in each half where the line between them is off."""
        middle = (start + stop) // 2
        frame = None if middle == start else self._frame_at(middle)
        if frame is None:
            return
        guess = np.asarray((first.points_px + last.points_px) / 2, dtype=np.float32)
        face = self._finder.refine(frame, [guess], KNOWN_SCORE)[0]
        if face is None:
            return
        track.see(middle, face)
        if _apart(guess, face.points_px) > LINE_OFF:
            self._fill(track, start, first, middle, face)
            self._fill(track, middle, face, stop, last)


def _apart(points: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Return the mean distance of the points from the others, in eye distances (of the wider of both)."""
    eyes = max(float(np.linalg.norm(five[1] - five[0])) for five in (points, others))
    return float(np.linalg.norm(points - others, axis=1).mean()) / max(eyes, 1e-6)
