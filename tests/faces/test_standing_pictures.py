# SPDX-License-Identifier: Apache-2.0
"""A picture that stands still is looked at once, and its faces are there as long as it is."""

from __future__ import annotations

import numpy as np
from scripted import Head, ScriptedFinder, chunks, draw

from cad.faces.tracker import FaceTracker


def track(frames: list[np.ndarray]) -> tuple[ScriptedFinder, np.ndarray, np.ndarray]:
    """Return the finder that was used, and the crops of the one face with the slots in which it is there."""
    finder = ScriptedFinder()
    tracker = FaceTracker(finder=finder)
    found = [one for chunk in chunks(frames) for one in tracker.push(chunk)] + tracker.flush()
    assert {one.track_id for one in found} == {0}
    return finder, np.concatenate([one.crops for one in found]), np.concatenate([one.present for one in found])


def test_a_picture_that_stands_is_looked_at_once() -> None:
    still = draw([Head(100, 100)])
    held, crops, present = track([still] * 500)
    assert len(crops) == 500 and present.all()
    assert (crops == crops[0]).all()
    noisy = [still.copy() for _ in range(500)]
    for index, frame in enumerate(noisy):
        frame[0, 0] = index % 256  # one pixel is enough to be another picture
    moving, _, _ = track(noisy)
    assert held.looks <= 2 and moving.looks > 90
    assert held.searches <= 3 and moving.searches > 30


def test_a_face_that_comes_into_a_standing_picture_is_seen() -> None:
    before, after = draw([Head(100, 100)]), draw([Head(100, 100), Head(220, 140, colour=1)])
    tracker = FaceTracker(finder=ScriptedFinder())
    found = [one for chunk in chunks([before] * 100 + [after] * 100) for one in tracker.push(chunk)] + tracker.flush()
    second = [one for one in found if one.track_id == 1]
    assert min(one.first_slot for one in second) <= 100 + 15
    assert max(one.first_slot + len(one.present) for one in second) == 200
