# SPDX-License-Identifier: Apache-2.0
"""Finder, tracker and filter together on the public-domain photograph: steadiness, pans, small and several faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cad.faces.align import canonical_points, similarity
from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.tracker import FaceTracker
from cad.media.records import VideoFrames

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "data" / "astronaut.jpg"
CORNERS = np.array([[0, 0], [160, 0], [0, 160], [160, 160]], np.float64)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTOGRAPH))[..., ::-1])


def _follow(frames: list[np.ndarray], finder: FaceFinder) -> dict[int, list[FaceCrops]]:
    tracker = FaceTracker(finder=finder)
    tracks: dict[int, list[FaceCrops]] = {}
    for first in range(0, len(frames), 25):
        part = np.stack(frames[first : first + 25])
        for crops in tracker.push(VideoFrames(first, part, np.ones(len(part), bool))):
            tracks.setdefault(crops.track_id, []).append(crops)
    for crops in tracker.flush():
        tracks.setdefault(crops.track_id, []).append(crops)
    return tracks


def _points(pieces: list[FaceCrops]) -> np.ndarray:
    return np.concatenate([piece.points_px for piece in pieces])


def _shake(points: np.ndarray) -> float:
    """Root mean square move, from one slot to the next, of the picture under the crop's corners, in crop pixels."""
    corners = []
    for five in points:
        back = similarity(canonical_points(), five)
        corners.append((CORNERS @ back[:, :2].T + back[:, 2]) / np.hypot(back[0, 0], back[1, 0]))
    return float(np.sqrt((np.diff(corners, axis=0) ** 2).sum(axis=-1).mean()))


def test_still_face_with_noise_stands_still(
    finder: FaceFinder, photograph: np.ndarray, rng: np.random.Generator
) -> None:
    big = cv2.resize(photograph, (480, 480), interpolation=cv2.INTER_LINEAR)
    frames = [np.clip(big + rng.normal(0, 8, big.shape), 0, 255).astype(np.uint8) for _ in range(50)]
    tracks = _follow(frames, finder)
    assert list(tracks) == [0]
    smooth = _points(tracks[0])
    assert len(smooth) == 50
    expected = [finder.find(frames[0])[0].points_px] * len(frames)
    raw = np.stack([finder.refine(frame, [five])[0].points_px for frame, five in zip(frames, expected, strict=True)])
    assert _shake(smooth) < 0.25
    assert _shake(smooth) < 0.4 * _shake(raw)


def test_pan_over_two_people_keeps_both(finder: FaceFinder, photograph: np.ndarray) -> None:
    wide = np.full((360, 1400, 3), 90, np.uint8)
    wide[::16] = 60
    wide[20:340, 150:470] = photograph
    wide[40:296, 700:956] = cv2.resize(photograph, (256, 256), interpolation=cv2.INTER_AREA)[:, ::-1]
    frames = [np.ascontiguousarray(wide[:, 6 * i : 6 * i + 640]) for i in range(100)]
    tracks = _follow(frames, finder)
    assert len(tracks) == 2
    for pieces in tracks.values():
        points = _points(pieces)
        seen = np.concatenate([piece.present for piece in pieces])
        speed = np.diff(points.mean(axis=1)[:, 0])[seen[1:] & seen[:-1]]
        assert abs(np.median(speed) + 6) < 0.3


def test_small_face_is_followed(finder: FaceFinder, photograph: np.ndarray) -> None:
    # 40 px high in 1280 x 720.
    small = cv2.resize(photograph, (128, 128), interpolation=cv2.INTER_AREA)
    frames = []
    for i in range(40):
        frame = np.full((720, 1280, 3), 110, np.uint8)
        frame[300:428, 600 + i : 728 + i] = small
        frames.append(frame)
    tracks = _follow(frames, finder)
    assert list(tracks) == [0]
    assert sum(len(piece.present) for piece in tracks[0]) == 40
    assert np.allclose(np.diff(_points(tracks[0]).mean(axis=1)[:, 0]).mean(), 1, atol=0.1)
