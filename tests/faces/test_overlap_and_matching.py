# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from cad.faces.overlap import keep_best, match, overlaps, same_place
from cad.faces.records import FaceDetection


def _face(left: float, top: float, width: float, height: float) -> FaceDetection:
    box = np.array([left, top, left + width, top + height], np.float32)
    return FaceDetection(box, np.zeros((5, 2), np.float32), 0.9)


def test_overlaps_agree_with_counting_pixels(rng: np.random.Generator) -> None:
    corners = rng.integers(0, 30, (12, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 20, (12, 2))], axis=1)
    y, x = np.mgrid[:60, :60]
    masks = [(x >= b[0]) & (x < b[2]) & (y >= b[1]) & (y < b[3]) for b in boxes]
    expected = [[(a & b).sum() / (a | b).sum() for b in masks] for a in masks]
    assert np.allclose(overlaps(boxes.astype(np.float32), boxes.astype(np.float32)), expected, atol=1e-6)


def test_empty_boxes_overlap_nothing() -> None:
    box = np.array([[5, 5, 5, 5]], np.float32)
    assert overlaps(box, box)[0, 0] == 0
    assert keep_best(np.zeros((0, 4), np.float32), 0.4).tolist() == []


def test_doubles_go_and_neighbours_stay() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [9, 0, 19, 10], [0, 0, 10, 9]], np.float32)
    assert keep_best(boxes, 0.4).tolist() == [0, 2]


def test_two_people_close_together_keep_their_places() -> None:
    left, right = _face(100, 50, 60, 80), _face(150, 50, 60, 80)
    moved = [_face(154, 52, 60, 80), _face(104, 51, 60, 80)]
    assert match([left, right], moved) == [1, 0]


def test_quick_move_without_overlap_is_followed_but_not_another_size() -> None:
    face = _face(100, 100, 30, 40)
    assert match([face], [_face(118, 104, 30, 40)]) == [0]
    assert match([face], [_face(100, 145, 30, 40)]) == [None]
    assert match([_face(100, 100, 30, 40)], [_face(113, 118, 6, 8)]) == [None]


def test_one_found_face_has_one_owner() -> None:
    a, b = _face(0, 0, 40, 50), _face(10, 0, 40, 50)
    owners = match([a, b], [_face(9, 0, 40, 50)])
    assert owners == [None, 0]
    assert match([], [a]) == [] and match([a], []) == [None]
    assert same_place(a, b) and not same_place(a, _face(100, 0, 40, 50))
