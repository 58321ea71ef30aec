# SPDX-License-Identifier: Apache-2.0
"""Following faces from picture to picture, and cutting out their crops a moment later.

The graphs of the kit find a face (face_find), look again where one is expected (face_look) and cut it out (face_crop).
What is left to the program is when to do which. A *search* covers the whole picture: at the start of a shot, every
``search_step`` slots, and when a face is not where it was expected. A *look* covers only the places where faces are
expected: every ``look_step`` slots, and in between where a face has moved too unevenly for a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from finding import EVERY_SIZE, Finder, is_among
from kit import Kit
from shots import Cuts, is_same, likeness
from track import Face, Track, match


class Tracker:
    """Follows the faces of one file.

    Args:
        kit: With the graphs.
        is_still: Whether there is only one picture, in which more faces are taken.
    """

    def __init__(self, kit: Kit, is_still: bool) -> None:
        self.rules, self.finder = kit.rules, Finder(kit)
        self.most_faces = self.rules.finder.max_still_faces if is_still else self.rules.finder.max_faces
        self.held: dict[int, np.ndarray] = {}
        self.cuts = Cuts(kit)
        self.last_slot = -1
        self._new_shot()

    def push(self, slot: int, picture: np.ndarray | None) -> Iterator[tuple[Track, int, np.ndarray | None, float]]:
        """Take the picture of the next slot, None where there is none.

        Yields:
            (track, slot, crop, height of the face in pixels) of a slot some time ago, and (track, slot, None, 0) once
            no more crops of a track will come.
        """
        if picture is not None:
            if self.cuts.push(picture):
                yield from self.end_shot()
            before, self.last_slot = self.held.get(self.last_slot), slot
            self.held[slot] = picture
            if before is None or not is_same(before, picture):
                self.standing_slot, self.searched_depth = slot, 0
            searching = slot - self.last_search >= self.rules.shot.search_step
            if searching or slot - self.last_look >= self.rules.shot.look_step:
                self._look(slot, picture, searching)
        yield from self._crop_until(slot - self.rules.tracker.lag_slots + 1)
        gone = [track for track in self.tracks if slot - track.last_slot > self.rules.track.lost_slots] + self.given_up
        self.tracks = [track for track in self.tracks if track not in gone]
        self.given_up = []
        yield from ((track, slot, None, 0.0) for track in gone)

    def end_shot(self) -> Iterator[tuple[Track, int, np.ndarray | None, float]]:
        """End the shot, or the file: yield what is left of it, as ``push``."""
        slot = self.last_slot
        if slot in self.held and slot != self.last_look:
            self._look(slot, self.held[slot], searching=False)  # so that nothing after the last look is guessed
        yield from self._crop_until(math.inf)
        yield from ((track, slot, None, 0.0) for track in self.tracks + self.given_up)
        self._new_shot()

    def _new_shot(self) -> None:
        self.tracks: list[Track] = []
        self.given_up: list[Track] = []
        # Since when the picture that is shown now has been standing, and how deeply it has been searched.
        self.standing_slot, self.searched_depth = 0, 0
        self.last_look = self.last_search = self.last_deep = self.last_deepest = -math.inf

    def _crop_until(self, stop: float) -> Iterator[tuple[Track, int, np.ndarray | None, float]]:
        while self.held and (slot := next(iter(self.held))) < stop:
            picture = self.held.pop(slot)
            there = [track for track in self.tracks if track.present_at(slot)]
            states = [track.state_at(slot) for track in there]
            if states:
                crops = self.finder.crops(picture, states)
                for track, state, crop in zip(there, states, crops, strict=True):
                    yield track, slot, crop, state.height
            for track in self.tracks:
                track.forget_before(slot)

    def _look(self, slot: int, picture: np.ndarray, searching: bool) -> None:
        """Look for every track where it is expected, and search if asked to or if one is not seen there."""
        if self.last_look >= self.standing_slot:  # the same picture still stands
            for track in self.tracks:
                if track.last_slot == self.last_look:
                    track.see(slot, track.last)
            self.last_look = slot
            if searching and (depth := self._depth(slot, picture)) > self.searched_depth:
                self._search(slot, picture, [], depth)
            return
        self.last_look = slot
        seen = self.finder.look(picture, [track.expected_points(slot) for track in self.tracks])
        missed, taken = [], []
        for track, face in zip(self.tracks, seen, strict=True):
            if face is None or is_among(face, taken, self.rules) or not self._goes_on(track, slot, picture, face):
                missed.append(track)
            else:
                taken.append(face)
                self._note(track, slot, picture, face)
        if searching or missed:
            self._search(slot, picture, missed, self._depth(slot, picture))

    def _search(self, slot: int, picture: np.ndarray, missed: list[Track], depth: int) -> None:
        """Go over the whole picture for the tracks that were missed where they were expected, and for new ones."""
        self.last_search, self.searched_depth = slot, max(depth, self.searched_depth)
        seen_now = [track.last for track in self.tracks if track.last_slot == slot]
        fresh = self.finder.find(picture, depth, seen_now)
        for track, index in zip(missed, match([track.last for track in missed], fresh, self.rules), strict=True):
            if index is not None and self._goes_on(track, slot, picture, fresh[index]):
                self._note(track, slot, picture, fresh[index])
                seen_now.append(fresh[index])
        for face in [face for face in fresh if not is_among(face, seen_now, self.rules)]:
            if len(self.tracks) < self.most_faces or self._gives_way(face):
                self.tracks.append(Track(slot, face, self.finder.appearance(picture, face), self.rules))

    def _gives_way(self, face: Face) -> bool:
        """Give up the track of the smallest face for a new one, if that is much larger."""
        smallest = min(self.tracks, key=lambda track: track.last.height)
        if face.height < self.rules.shot.much_larger * smallest.last.height:
            return False
        self.tracks.remove(smallest)
        self.given_up.append(smallest)
        return True

    def _depth(self, slot: int, picture: np.ndarray) -> int:
        """Return how many sizes the search may try: all of them at first and now and then, else only the cheapest."""
        scale = min(1.0, self.rules.finder.long_sides_px[0] / max(picture.shape[:2]))
        large = any(track.last.height * scale >= self.rules.finder.small_face_px for track in self.tracks)
        if slot - self.last_deepest >= (self.rules.shot.beside_step if large else self.rules.shot.deepest_step):
            self.last_deep = self.last_deepest = slot
            return EVERY_SIZE
        if large or slot - self.last_deep < self.rules.shot.deep_step:
            return 1
        self.last_deep = slot
        return 2

    def _goes_on(self, track: Track, slot: int, picture: np.ndarray, face: Face) -> bool:
        """Say whether a face may be the track's: after a gap it must look like it."""
        if slot - track.last_slot <= self.rules.shot.look_step:
            return True
        return likeness(track.looks, self.finder.appearance(picture, face)) >= self.rules.track.same_appearance

    def _note(self, track: Track, slot: int, picture: np.ndarray, face: Face) -> None:
        before, old, expected = track.last_slot, track.last, track.expected_points(slot)
        track.see(slot, face)
        if slot >= track.looks_slot + self.rules.track.appearance_step:  # it follows the face as that turns
            track.looks_slot = slot
            track.looks = 0.7 * track.looks + 0.3 * self.finder.appearance(picture, face)
        if slot - before <= self.rules.track.bridge_slots and _apart(expected, face.points) > self.rules.shot.uneven:
            self._fill(track, before, old, slot, face)

    def _fill(self, track: Track, start: int, first: Face, stop: int, last: Face) -> None:
        """Look halfway between two sightings, and again in each half where the line between them is off."""
        middle = (start + stop) // 2
        if middle == start or middle not in self.held:
            return
        guess = (first.points + last.points) / 2
        (face,) = self.finder.look(self.held[middle], [guess])
        if face is None:
            return
        track.see(middle, face)
        if _apart(guess, face.points) > self.rules.shot.line_off:
            self._fill(track, start, first, middle, face)
            self._fill(track, middle, face, stop, last)


def _apart(points: np.ndarray, others: np.ndarray) -> float:
    """Return the mean distance of five points from five others, in eye distances (of the wider of both)."""
    eyes = max(float(np.linalg.norm(five[1] - five[0])) for five in (points, others))
    return float(np.linalg.norm(points - others, axis=1).mean()) / max(eyes, 1e-6)
