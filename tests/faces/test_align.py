# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from cad.errors import OptionError
from cad.faces.align import align_face, canonical_points, similarity


def _points_in_frame(scale: float, degrees: float, centre: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (canonical_points() - 80) @ matrix.T + np.array(centre)


def _smooth_scene(height: int = 1000, width: int = 1280) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    planes = [128 + 100 * np.sin(x / 97 + k) * np.cos(y / 83 - k) for k in range(3)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 17, -35, 90])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.1])
def test_similarity_is_found_exactly_and_never_mirrors(scale: float, degrees: float) -> None:
    points = _points_in_frame(scale, degrees, (300, 200))
    matrix = similarity(points, canonical_points())
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], canonical_points(), atol=1e-3)
    assert np.isclose(np.linalg.det(matrix[:, :2]), scale**-2, rtol=1e-4)


def test_one_point_five_times_is_refused() -> None:
    with pytest.raises(ValueError, match="one point"):
        similarity(np.ones((5, 2)), canonical_points())


@pytest.mark.parametrize("degrees", [0, 25])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.5])
def test_crop_shows_what_the_frame_has_at_the_mapped_place(scale: float, degrees: float) -> None:
    frame = _smooth_scene()
    points = _points_in_frame(scale, degrees, (640, 500))
    crop = align_face(frame, points)
    assert crop.shape == (160, 160, 3) and crop.dtype == np.uint8
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(160)), axis=-1).reshape(-1, 2).astype(np.float64)
    matrix = similarity(canonical_points(), points)
    where = (grid @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    expected = cv2.remap(frame, where[:, :1], where[:, 1:], cv2.INTER_LINEAR).reshape(160, 160, 3)
    assert np.abs(expected.astype(int) - crop).max() <= 3


def test_margin_keeps_the_plain_crop_in_the_middle(rng: np.random.Generator) -> None:
    frame = cv2.GaussianBlur(rng.integers(0, 256, (400, 400, 3), dtype=np.uint8), (0, 0), 3)
    points = _points_in_frame(1.1, 5, (200, 200))
    wide = align_face(frame, points, size_px=192, margin_px=16)
    assert np.abs(wide[16:-16, 16:-16].astype(int) - align_face(frame, points)).max() <= 2


def test_shrinking_averages_instead_of_picking(rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (1600, 1600, 3), dtype=np.uint8)
    crop = align_face(noise, _points_in_frame(8, 10, (800, 800)))
    # 64 source pixels a crop pixel: the deviation of uniform noise, 74, falls to about 9.
    assert crop.std() < 12
    assert abs(float(crop.mean()) - 127.5) < 1


def test_outside_of_the_picture_is_black() -> None:
    frame = np.full((200, 200, 3), 255, np.uint8)
    for scale in (1.0, 2.0):
        crop = align_face(frame, _points_in_frame(scale, 0, (0, 100)))
        assert crop[:, :70].max() == 0
        assert crop[60:100, 90:].min() == 255


def test_face_wholly_outside_gives_a_black_crop() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    for scale in (0.5, 4.0):
        assert align_face(frame, _points_in_frame(scale, 0, (5000, -3000))).max() == 0


def test_margins_that_eat_the_crop_are_refused() -> None:
    with pytest.raises(OptionError, match="margin"):
        canonical_points(160, 80)
