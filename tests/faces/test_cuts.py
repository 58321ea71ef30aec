# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from cad.faces.cuts import CutDetector, coarse_luma


def _scene(rng: np.random.Generator, height: int = 360, width: int = 640) -> np.ndarray:
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _noisy(frame: np.ndarray, rng: np.random.Generator, deviation: float = 6) -> np.ndarray:
    return np.clip(frame + rng.normal(0, deviation, frame.shape), 0, 255).astype(np.uint8)


def _cuts(frames: list[np.ndarray]) -> list[int]:
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector.push(frame)]


def test_every_cut_and_nothing_else(rng: np.random.Generator) -> None:
    a, b, c = (_scene(rng) for _ in range(3))
    frames = [_noisy(scene, rng) for scene in [a] * 12 + [b] * 9 + [c] * 14]
    assert _cuts(frames) == [12, 21]


def test_cut_between_similar_colours(rng: np.random.Generator) -> None:
    # Shot and reverse shot in one room: the same colours at other places.
    a = _scene(rng)
    frames = [_noisy(scene, rng) for scene in [a] * 10 + [a[:, ::-1]] * 10]
    assert _cuts(frames) == [10]


@pytest.mark.parametrize("pixels_a_frame", [4, 16])
def test_pan_is_no_cut(rng: np.random.Generator, pixels_a_frame: int) -> None:
    wide = cv2.resize(rng.integers(0, 256, (9, 60, 3), dtype=np.uint8), (2400, 360), interpolation=cv2.INTER_CUBIC)
    frames = [_noisy(wide[:, i * pixels_a_frame :][:, :640], rng) for i in range(40)]
    assert _cuts(frames) == []


def test_whip_pan_is_at_most_one_cut(rng: np.random.Generator) -> None:
    wide = cv2.resize(rng.integers(0, 256, (9, 90, 3), dtype=np.uint8), (3600, 360), interpolation=cv2.INTER_CUBIC)
    frames = [_noisy(wide[:, max(0, i - 10) * 80 :][:, :640], rng) for i in range(40)]
    assert _cuts(frames) in ([], [11])


def test_shots_of_two_frames(rng: np.random.Generator) -> None:
    shots = [_scene(rng) for _ in range(4)]
    assert _cuts([shots[i // 2] for i in range(8)]) == [2, 4, 6]


def test_flash_and_fade_are_no_cuts(rng: np.random.Generator) -> None:
    scene = _scene(rng)
    flash = np.clip(scene * 0.6 + 100, 0, 255).astype(np.uint8)
    faded = [(scene * share).astype(np.uint8) for share in np.linspace(1, 0.1, 20)]
    assert _cuts([_noisy(frame, rng, 2) for frame in [scene] * 8 + [flash] + [scene] * 8 + faded]) == []


def test_moving_head_is_no_cut(rng: np.random.Generator) -> None:
    scene = cv2.GaussianBlur(_scene(rng), (0, 0), 5)
    frames = []
    for i in range(30):
        frame = scene.copy()
        cv2.ellipse(frame, (320 + int(90 * np.sin(i / 3)), 190), (110, 150), 0, 0, 360, (200, 160, 140), -1)
        frames.append(_noisy(frame, rng))
    assert _cuts(frames) == []


def test_flat_noise_is_no_cut(rng: np.random.Generator) -> None:
    assert _cuts([_noisy(np.full((120, 160, 3), 30, np.uint8), rng) for _ in range(30)]) == []


def test_other_size_is_a_new_shot(rng: np.random.Generator) -> None:
    scene = _scene(rng)
    assert _cuts([scene, scene, scene[:180], scene[:180]]) == [2]


@pytest.mark.parametrize("shape", [(2, 2), (1, 5), (36, 64), (1080, 1920), (33, 2000)])
def test_coarse_picture_of_any_size(shape: tuple[int, int]) -> None:
    luma = coarse_luma(np.full((*shape, 3), 77, np.uint8))
    assert luma.ndim == 2 and luma.size >= 1
    assert np.allclose(luma, 77, atol=0.01)
