# SPDX-License-Identifier: Apache-2.0
"""Groups, faces that fill the picture, lie on their side or stand in the dark, made of the photograph in tests/data."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cad.faces.finder import EVERY_SIZE, FaceFinder
from cad.faces.tracker import FaceTracker
from cad.media.records import VideoFrames

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "data" / "astronaut.jpg"
#: About how high the face is in it, and where.
FACE_PX, FACE_X, FACE_Y = 100, 160, 122


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTOGRAPH))[..., ::-1])


def group(photograph: np.ndarray, heights: list[int], width: int = 1600, height: int = 1200) -> np.ndarray:
    """A picture with a face of each height, side by side in rows."""
    canvas = np.full((height, width, 3), 100, np.uint8)
    x = y = row = 0
    for index, tall in enumerate(heights):
        side = round(320 * tall / FACE_PX)
        person = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA if side < 320 else cv2.INTER_CUBIC)
        if x + side > width:
            x, y, row = 0, y + row, 0
        canvas[y : y + side, x : x + side] = person if index % 2 else person[:, ::-1]
        x, row = x + side, max(row, side)
    return canvas


def stills_faces(picture: np.ndarray, finder: FaceFinder) -> FaceTracker:
    tracker = FaceTracker(finder=finder, is_still=True)
    assert tracker.push(VideoFrames(0, picture[None], np.ones(1, bool))) == []
    return tracker


def test_every_face_of_a_group_is_found_from_the_largest_to_the_smallest(
    finder: FaceFinder, photograph: np.ndarray
) -> None:
    heights = [220, 180, 90, 70, 60, 60, 50, 50, 45, 45, 45]
    crops = stills_faces(group(photograph, heights), finder).flush()
    found = sorted((float(np.diff(one.boxes_px[0, [1, 3]])[0]) for one in crops), reverse=True)
    assert len(found) == len(heights)
    assert found[0] > 180 and found[-1] < 65


def test_the_largest_of_a_crowd_are_kept_and_the_rest_are_counted(finder: FaceFinder, photograph: np.ndarray) -> None:
    heights = [50] * 30 + [90] * 6
    tracker = stills_faces(group(photograph, heights, 1920, 1300), finder)
    assert tracker.left_out == len(heights) - 32
    found = [float(np.diff(one.boxes_px[0, [1, 3]])[0]) for one in tracker.flush()]
    assert len(found) == 32 and sum(height > 75 for height in found) == 6


def test_a_small_face_beside_a_large_one_is_found_in_video_too(finder: FaceFinder, photograph: np.ndarray) -> None:
    frame = group(photograph, [200, 45], 1280, 720)
    tracker = FaceTracker(finder=finder)
    found = tracker.push(VideoFrames(0, np.stack([frame] * 25), np.ones(25, bool))) + tracker.flush()
    assert {one.track_id for one in found} == {0, 1}
    assert min(one.first_slot for one in found if one.track_id == 1) == 0


def test_boxes_are_told_in_the_pixels_of_the_file(finder: FaceFinder, photograph: np.ndarray) -> None:
    tracker = FaceTracker(finder=finder, is_still=True)
    tracker.push(VideoFrames(0, photograph[None], np.ones(1, bool), file_scale=3.0))
    (crops,) = tracker.flush()
    assert 3 * 85 < float(np.diff(crops.boxes_px[0, [1, 3]])[0]) < 3 * 130


@pytest.mark.parametrize("share", [0.42, 0.5, 0.7])
@pytest.mark.parametrize("scale", [2, 7])
def test_a_face_that_fills_the_picture(finder: FaceFinder, photograph: np.ndarray, share: float, scale: int) -> None:
    reach = round(share * FACE_PX)
    part = photograph[FACE_Y - reach : FACE_Y + reach, FACE_X - reach : FACE_X + reach]
    picture = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert len(finder.find(picture, EVERY_SIZE, (), every_size=True)) == 1


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_lies_on_its_side(finder: FaceFinder, photograph: np.ndarray, quarters: int) -> None:
    lying = np.ascontiguousarray(np.rot90(photograph, quarters))
    (face,) = finder.find(lying, EVERY_SIZE, (), every_size=True)
    eyes = face.points_px[1] - face.points_px[0]
    assert abs(np.degrees(np.arctan2(eyes[1], eyes[0])) % 360 - (360 - 90 * quarters)) < 15


@pytest.mark.parametrize(("gain", "lift"), [(0.08, 0), (0.05, 4), (0.25, 180)])
def test_a_dark_and_a_pale_picture(
    finder: FaceFinder, photograph: np.ndarray, rng: np.random.Generator, gain: float, lift: float
) -> None:
    picture = np.clip(gain * photograph + lift + rng.normal(0, 1, photograph.shape), 0, 255).astype(np.uint8)
    (face,) = finder.find(picture)
    assert finder.refine(picture, [face.points_px])[0] is not None


@pytest.mark.parametrize("sizes", [[(180, 320), (720, 1280)], [(720, 1280), (360, 640), (540, 960)]])
def test_a_track_survives_a_change_of_resolution(
    finder: FaceFinder, photograph: np.ndarray, sizes: list[tuple[int, int]]
) -> None:
    tracker, found, slot = FaceTracker(finder=finder), [], 0
    scene = group(photograph, [180], 1280, 720)
    for height, width in sizes:
        frame = cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA)
        found += tracker.push(VideoFrames(slot, np.stack([frame] * 13), np.ones(13, bool)))
        slot += 13
    found += tracker.flush()
    assert {one.track_id for one in found} == {0}
    assert sum(int(one.present.sum()) for one in found) == 13 * len(sizes)
    crops = np.concatenate([one.crops[one.present] for one in found]).astype(float)
    assert np.abs(crops - crops[-1]).mean(axis=(1, 2, 3)).max() < 12  # the same face in the same place throughout


def test_another_shape_of_the_picture_starts_another_track(finder: FaceFinder, photograph: np.ndarray) -> None:
    tracker = FaceTracker(finder=finder)
    found = tracker.push(VideoFrames(0, np.stack([photograph] * 15), np.ones(15, bool)))
    wide = group(photograph, [150], 1280, 720)
    found += tracker.push(VideoFrames(15, np.stack([wide] * 15), np.ones(15, bool))) + tracker.flush()
    assert {(one.track_id, one.first_slot < 15) for one in found} == {(0, True), (1, False)}
