# SPDX-License-Identifier: Apache-2.0
"""The packaged nets on the public-domain photograph under tests/data: sizes, turns, light, cover, nothing at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cad.errors import SpecMismatchError, WeightsNotFoundError
from cad.faces.align import align_face, canonical_points
from cad.faces.finder import FaceFinder
from cad.faces.net import FaceNet
from cad.faces.points import REFINE_PX, PointNet
from cad.faces.records import CANONICAL_POINTS_PX
from cad.weights.registry import find_entry

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "data" / "astronaut.jpg"
#: Where the five points are in it, read off the picture by eye.
POINTS = np.array([[138.6, 101.6], [182.6, 103.6], [161.0, 125.6], [142.4, 141.6], [177.6, 142.0]], np.float32)
EYES = 44.0


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTOGRAPH))[..., ::-1])


def _scene(photograph: np.ndarray, scale: float, degrees: float = 0, size: tuple[int, int] = (1280, 720)) -> tuple:
    """The photograph, scaled and turned, in the middle of a grey picture; and where its points are there."""
    matrix = cv2.getRotationMatrix2D((160, 126), degrees, scale)
    matrix[:, 2] += np.array([size[0] / 2 - 160, size[1] / 2 - 126])
    if scale < 1:
        photograph = cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale)
    frame = cv2.warpAffine(photograph, matrix, size, borderValue=(96, 96, 96))
    return frame, POINTS @ matrix[:, :2].T + matrix[:, 2]


def _error(found: np.ndarray, points: np.ndarray) -> float:
    return float(np.linalg.norm(found - points, axis=1).mean() / np.linalg.norm(points[1] - points[0]))


def test_photograph_has_one_face_with_its_points_in_place(finder: FaceFinder, photograph: np.ndarray) -> None:
    faces = finder.find(photograph)
    assert len(faces) == 1
    assert _error(faces[0].points_px, POINTS) < 0.08
    left, top, right, bottom = faces[0].box_px
    assert left < 139 and right > 182 and top < 100 and bottom > 150
    assert 0.5 <= faces[0].score <= 1


# The face is about 100 px high in the photograph: 40 px at 0.4.
@pytest.mark.parametrize(("scale", "limit"), [(0.4, 0.13), (0.7, 0.1), (1.5, 0.08), (2.2, 0.08), (5.0, 0.08)])
def test_any_size_from_40_px_in_720p(finder: FaceFinder, photograph: np.ndarray, scale: float, limit: float) -> None:
    frame, points = _scene(photograph, scale)
    faces = finder.find(frame)
    assert len(faces) == 1
    assert _error(faces[0].points_px, points) < limit


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_tilted_head(finder: FaceFinder, photograph: np.ndarray, degrees: float) -> None:
    frame, points = _scene(photograph, 1.5, degrees, (640, 480))
    faces = finder.find(frame)
    assert len(faces) == 1
    assert _error(faces[0].points_px, points) < 0.1


def test_mirror_image_has_mirrored_points(finder: FaceFinder, photograph: np.ndarray) -> None:
    straight = finder.find(photograph)[0].points_px
    mirrored = finder.find(np.ascontiguousarray(photograph[:, ::-1]))[0].points_px[[1, 0, 2, 4, 3]]
    mirrored[:, 0] = photograph.shape[1] - 1 - mirrored[:, 0]
    assert np.linalg.norm(straight - mirrored, axis=1).mean() < 0.06 * EYES


def test_dark_grey_blurred_and_compressed(finder: FaceFinder, photograph: np.ndarray) -> None:
    coarse = cv2.imdecode(cv2.imencode(".jpg", photograph, [cv2.IMWRITE_JPEG_QUALITY, 12])[1], cv2.IMREAD_COLOR)
    spoiled = {
        "dark": (photograph * 0.35).astype(np.uint8),
        "grey": np.repeat(cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
        "blurred": cv2.GaussianBlur(photograph, (0, 0), 2.5),
        "compressed": coarse,
    }
    for name, picture in spoiled.items():
        faces = finder.find(picture)
        assert len(faces) == 1, name
        assert _error(faces[0].points_px, POINTS) < 0.12, name


def test_known_face_is_still_seen_with_a_hand_over_the_mouth(finder: FaceFinder, photograph: np.ndarray) -> None:
    covered = photograph.copy()
    cv2.rectangle(covered, (136, 132), (190, 165), (196, 150, 130), -1)
    face = finder.refine(covered, [POINTS])[0]
    assert face is not None
    assert _error(face.points_px[:3], POINTS[:3]) < 0.12


def test_two_faces_largest_first(finder: FaceFinder, photograph: np.ndarray) -> None:
    frame = np.full((480, 860, 3), 100, np.uint8)
    frame[80:400, 20:340] = photograph
    frame[120:312, 500:692] = cv2.resize(photograph, (192, 192), interpolation=cv2.INTER_AREA)
    faces = finder.find(frame)
    assert len(faces) == 2
    assert faces[0].points_px.mean(axis=0)[0] < 340 < faces[1].points_px.mean(axis=0)[0]


def test_pictures_without_a_face(finder: FaceFinder, photograph: np.ndarray, rng: np.random.Generator) -> None:
    blurred = cv2.GaussianBlur(rng.integers(0, 256, (360, 640, 3), dtype=np.uint8), (0, 0), 6)
    pictures = [
        np.zeros((360, 640, 3), np.uint8),
        np.full((720, 1280, 3), 200, np.uint8),
        rng.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX),
        np.ascontiguousarray(photograph[190:, :]),  # her suit
    ]
    assert [len(finder.find(picture)) for picture in pictures] == [0] * len(pictures)


@pytest.mark.parametrize("shape", [(1, 1), (20, 31), (33, 500), (719, 1279)])
def test_any_picture_size_is_taken(finder: FaceFinder, shape: tuple[int, int]) -> None:
    assert finder.find(np.full((*shape, 3), 120, np.uint8)) == []


def test_a_look_at_the_wrong_place_sees_nothing(finder: FaceFinder, photograph: np.ndarray) -> None:
    looks = finder.refine(photograph, [POINTS, POINTS + np.float32([0, 150])])
    assert looks[0] is not None and _error(looks[0].points_px, POINTS) < 0.08
    assert looks[1] is None
    assert finder.refine(photograph, []) == []


def test_found_points_align_the_face(finder: FaceFinder, photograph: np.ndarray) -> None:
    frame, _ = _scene(photograph, 2.0, 20, (800, 600))
    crop = align_face(frame, finder.find(frame)[0].points_px)
    again = finder.find(crop)[0].points_px
    assert np.linalg.norm(again - CANONICAL_POINTS_PX, axis=1).mean() < 0.12 * 40


def test_nets_are_small_verified_and_take_what_they_say() -> None:
    sizes = [find_entry(name).path.stat().st_size for name in ("face_yunet_s2", "face_points_s2")]
    assert sum(sizes) <= 1_000_000
    seen = FaceNet().detect(np.zeros((2, 97, 131, 3), np.uint8), 0.9)
    assert [len(one.scores) for one in seen] == [0, 0]
    look = PointNet().refine(np.zeros((3, REFINE_PX, REFINE_PX, 3), np.uint8))
    assert look.points_px.shape == (3, 5, 2) and look.boxes_px.shape == (3, 4) and look.scores.max() < 0.5
    with pytest.raises(SpecMismatchError, match="crops of 112 px"):
        PointNet().refine(np.zeros((1, 96, 96, 3), np.uint8))
    with pytest.raises(WeightsNotFoundError, match="face_yunet_s2"):
        FaceNet("face_yunet")
    with pytest.raises(SpecMismatchError, match="must take"):
        FaceNet("face_points_s2")
    assert canonical_points().shape == (5, 2)


def test_a_look_forgets_the_last_digits_of_where_the_face_was_expected(
    finder: FaceFinder, photograph: np.ndarray, rng: np.random.Generator
) -> None:
    """Looks follow each other; a difference such as processors make must not be handed on and grow."""
    expected = np.round(4 * POINTS) / 4
    seen = finder.refine(photograph, [expected])[0]
    again = finder.refine(photograph, [(expected + rng.uniform(-0.1, 0.1, (5, 2))).astype(np.float32)])[0]
    assert seen is not None and again is not None
    np.testing.assert_array_equal(seen.points_px, again.points_px)
    np.testing.assert_array_equal(seen.box_px, again.box_px)
