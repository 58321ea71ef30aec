# SPDX-License-Identifier: Apache-2.0
"""Pictures with drawn heads whose places are known, and a finder that reads them off the picture.

Tests of following, cuts and bookkeeping use it, so that they say nothing about the net and need none.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cad.faces.align import canonical_points
from cad.faces.overlap import same_place
from cad.faces.records import FaceDetection
from cad.media.records import VideoFrames

#: A head is a disc of one of these colours, which nothing else in a picture has.
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))
HEIGHT, WIDTH = 240, 320


@dataclass(frozen=True)
class Head:
    x: float
    y: float
    radius: float = 30
    colour: int = 0


def face_of(x: float, y: float, radius: float) -> FaceDetection:
    points = (canonical_points() - np.float32(80)) * np.float32(radius / 60) + np.array([x, y], np.float32)
    box = np.array([x - radius, y - radius, x + radius, y + radius], np.float32)
    return FaceDetection(box, points.astype(np.float32), 0.9)


def draw(heads: list[Head], seed: int = 0) -> np.ndarray:
    """A patterned room (another one for another seed) with heads in it; each head has a pattern of its own."""
    room = np.random.default_rng(seed).integers(60, 190, (6, 8), dtype=np.uint8)
    frame = cv2.resize(room, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    frame = np.repeat(frame[..., None], 3, axis=2)
    for head in heads:
        centre = (round(head.x), round(head.y))
        cv2.circle(frame, centre, round(head.radius), COLOURS[head.colour], -1)
    return frame


class ScriptedFinder:
    """Finds the discs of COLOURS; counts what it is asked for; does not see heads smaller than ``least_px``."""

    def __init__(self, least_px: float = 4) -> None:
        self.searches = 0
        self.looks = 0
        self._least_px = least_px

    def find(
        self,
        frame: np.ndarray,
        depth: int = 3,
        known: list[FaceDetection] | tuple = (),
        every_size: bool = False,
    ) -> list[FaceDetection]:
        self.searches += 1
        return [face for face in self._all(frame) if not any(same_place(face, other) for other in known)]

    def refine(self, frame: np.ndarray, expected: list[np.ndarray], least_score: float = 0.5) -> list:
        self.looks += len(expected)
        faces = self._all(frame)
        return [self._nearest(faces, points) for points in expected]

    @staticmethod
    def _nearest(faces: list[FaceDetection], points: np.ndarray) -> FaceDetection | None:
        away = [float(np.linalg.norm(face.points_px.mean(axis=0) - points.mean(axis=0))) for face in faces]
        reach = 1.2 * float(np.linalg.norm(points[1] - points[0]))
        return faces[int(np.argmin(away))] if away and min(away) <= reach else None

    def _all(self, frame: np.ndarray) -> list[FaceDetection]:
        found = []
        for colour in COLOURS:
            y, x = np.nonzero((frame == np.array(colour, np.uint8)).all(axis=-1))
            if len(x) > 3 * self._least_px**2:
                radius = float(np.sqrt(len(x) / np.pi))
                found.append(face_of(float(x.mean()), float(y.mean()), radius))
        return sorted(found, key=lambda face: -float(face.box_px[3] - face.box_px[1]))


def chunks(frames: list[np.ndarray | None], size: int = 25) -> list[VideoFrames]:
    """Frames as the reader gives them; None is a missing slot."""
    present = np.array([frame is not None for frame in frames])
    shape = next(frame.shape for frame in frames if frame is not None)
    full = np.stack([np.zeros(shape, np.uint8) if frame is None else frame for frame in frames])
    return [VideoFrames(i, full[i : i + size], present[i : i + size]) for i in range(0, len(frames), size)]
