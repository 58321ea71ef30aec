# SPDX-License-Identifier: Apache-2.0
"""A photograph stays a photograph however it is shown; a face that blinks or talks is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from cad.faces.finder import FaceFinder
from cad.faces.records import FaceCrops
from cad.faces.stillness import LEAST_SLOTS, Stillness
from cad.faces.track_book import TrackBook
from cad.faces.tracker import FaceTracker
from cad.media.records import VideoFrames

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "data" / "astronaut.jpg"
SLOTS = 125


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTOGRAPH))[..., ::-1])


def shown(photograph: np.ndarray, how: str) -> Iterator[np.ndarray]:
    """The photograph as one frame after another."""
    rng = np.random.default_rng(4)
    for index in range(SLOTS):
        frame, scale, shift, turn = photograph, 1.0, 0.0, 0.0
        if how == "zoomed":
            scale = 1 + 0.004 * index
        elif how == "panned":
            shift = 0.5 * index
        elif how == "turned":
            turn = 0.06 * index
        matrix = cv2.getRotationMatrix2D((160, 126), turn, scale)
        matrix[0, 2] += shift
        frame = cv2.warpAffine(frame, matrix, (320, 320), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if how == "faded":
            frame = cv2.convertScaleAbs(frame, alpha=min(1.0, 0.3 + index / 50))
        elif how == "noisy":
            frame = np.clip(frame + rng.normal(0, 10, frame.shape), 0, 255).astype(np.uint8)
        elif how == "coded":
            quality = [cv2.IMWRITE_JPEG_QUALITY, 20 + 15 * (index % 3)]
            frame = cv2.imdecode(cv2.imencode(".jpg", frame, quality)[1], cv2.IMREAD_COLOR)
        elif how == "blinking" and index % 60 in (40, 41, 42, 43):
            frame = frame.copy()
            for x in (139, 183):  # the lids, of skin
                cv2.ellipse(frame, (x, 102), (11, 6), 0, 0, 360, (205, 160, 140), -1)
        elif how == "talking":
            frame = frame.copy()
            cv2.ellipse(frame, (160, 144), (10, round(1 + 7 * abs(np.sin(index / 4)))), 0, 0, 360, (60, 20, 20), -1)
        yield frame


def is_frozen(frames: Iterator[np.ndarray], finder: FaceFinder) -> bool:
    tracker, book = FaceTracker(finder=finder), TrackBook(keep_pictures=False)
    for first, frame in enumerate(frames):
        for crops in tracker.push(VideoFrames(first, frame[None].copy(), np.ones(1, bool))):
            book.note(crops)
    for crops in tracker.flush():
        book.note(crops)
    (track,) = book.summaries(None)
    assert track.seen_slots == SLOTS
    return track.is_frozen


@pytest.mark.parametrize("how", ["as it is", "zoomed", "panned", "turned", "faded", "noisy", "coded"])
def test_a_photograph_is_frozen(photograph: np.ndarray, finder: FaceFinder, how: str) -> None:
    assert is_frozen(shown(photograph, how), finder)


@pytest.mark.parametrize("how", ["blinking", "talking"])
def test_a_face_that_moves_is_not(photograph: np.ndarray, finder: FaceFinder, how: str) -> None:
    assert not is_frozen(shown(photograph, how), finder)


@pytest.mark.parametrize(("slots", "frozen"), [(1, False), (25, False), (LEAST_SLOTS - 1, False), (LEAST_SLOTS, True)])
def test_a_short_track_cannot_be_told(photograph: np.ndarray, slots: int, frozen: bool) -> None:
    stillness = Stillness()
    for _ in range(slots):
        stillness.push(photograph[None, 60:220, 80:240])
    assert stillness.is_frozen() is frozen
    assert stillness.is_frozen() is frozen


def test_a_track_without_pixels_is_not_frozen() -> None:
    crops = FaceCrops(
        track_id=0,
        first_slot=0,
        crops=np.zeros((3, 160, 160, 3), np.uint8),
        present=np.zeros(3, bool),
        boxes_px=np.zeros((3, 4), np.float32),
        points_px=np.zeros((3, 5, 2), np.float32),
        scores=np.zeros(3, np.float32),
    )
    book = TrackBook(keep_pictures=False)
    book.note(crops)
    assert not book.summaries(None)[0].is_frozen
