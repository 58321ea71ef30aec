# SPDX-License-Identifier: Apache-2.0
"""Reference vectors of the graphs that find, look at and cut out faces, and of how a face is followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.export.embedding.reference_records import Case, made_picture
from cad.faces.active_speaker import lip_score
from cad.faces.align import align_face
from cad.faces.cuts import coarse_luma
from cad.faces.finder import FaceFinder
from cad.faces.records import CANONICAL_POINTS_PX, FaceDetection
from cad.faces.stillness import Stillness
from cad.faces.track import FaceTrack
from cad.runtime.providers import CPU
from cad.weights.golden import moving_blocks
from cad.weights.session import open_session

#: One level: another runtime may round a value in the middle the other way.
_LEVELS, _PIXELS, _SCORE = 1.0, 0.01, 1e-3


def face_cases(folder: Path) -> Iterator[Case]:
    """Yield the cases; ``folder`` has the graphs."""
    picture = made_picture(240, 320)
    near, far = _points(1.3, 0.2, (150, 110)), _points(0.35, -0.4, (90, 100))
    beyond = _points(1.0, 0.0, (20, 15))
    for name, points in {"enlarged": near, "reduced": far, "over_the_edge": beyond}.items():
        crops = align_face(picture, points)[None]
        inputs = {"picture": picture, "points": points[None]}
        yield Case("face_crop", name, inputs, {"crops": crops}, {"crops": _LEVELS})
    seen = FaceFinder().refine(picture, [near, far], -1.0)
    faces = [face for face in seen if face is not None]
    assert len(faces) == len(seen)
    yield Case(
        "face_look",
        "no_faces",
        {"picture": picture, "points": np.stack([near, far])},
        {
            "points_seen": np.stack([face.points_px for face in faces]),
            "boxes": np.stack([face.box_px for face in faces]),
            "scores": np.array([face.score for face in faces], np.float32),
        },
        {"points_seen": _PIXELS, "boxes": _PIXELS, "scores": _SCORE},
    )
    yield Case(
        "face_find",
        "no_faces",
        {"picture": picture, "long_side": 320},
        {
            "boxes": np.zeros((0, 4), np.float32),
            "points": np.zeros((0, 5, 2), np.float32),
            "scores": np.zeros(0, np.float32),
        },
    )
    yield Case("picture_coarse", "waves", {"picture": picture}, {"coarse": coarse_luma(picture)}, {"coarse": 1e-3})
    crops = _noisy_blocks()
    session = open_session((folder / "lip_motion.onnx").read_bytes(), "lip_motion", (CPU,))
    motion = session.run(["motion"], {"crops": crops})
    yield Case("lip_motion", "blocks", {"crops": crops}, {"motion": motion[0]}, {"motion": 1e-3})
    yield from _followed(picture)
    yield from _noted()


def _points(scale: float, turn: float, middle: tuple[float, float]) -> NDArray[np.float32]:
    """Return the canonical points so much larger, turned (radians), about a place."""
    here = (CANONICAL_POINTS_PX - 80.0) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points: NDArray[np.float32] = (scale * here + np.array(middle)).astype(np.float32)
    return points


def _noisy_blocks() -> NDArray[np.uint8]:
    noise = np.random.default_rng(3).integers(-20, 21, (6, 160, 160, 3))
    return (moving_blocks(6, 1) + noise).clip(0, 255).astype(np.uint8)


def _followed(picture: NDArray[np.uint8]) -> Iterator[Case]:
    """Yield what a track makes of its sightings: where the face is expected, is present, and lies."""
    slots = [0, 5, 10, 12, 15, 30, 35]
    track: FaceTrack | None = None
    points, boxes = [], []
    for slot in slots:
        five = _points(1.0 + 0.01 * slot, 0.02 * slot, (100 + 1.5 * slot, 90 + 8 * np.sin(slot)))
        box = np.concatenate([five.min(axis=0) - 20, five.max(axis=0) + 20]).astype(np.float32)
        face = FaceDetection(box, five, 0.9)
        if track is None:
            track = FaceTrack(slot, face, picture)
        track.see(slot, face)
        points.append(five)
        boxes.append(box)
    assert track is not None
    present = [slot for slot in range(40) if track.present_at(slot)]
    states = [track.state_at(slot) for slot in present]
    yield Case(
        "track",
        "turning",
        {"slots": slots, "points": np.stack(points), "boxes": np.stack(boxes), "expected_at": 38},
        {
            "present": present,
            "points": np.stack([state.points_px for state in states]),
            "boxes": np.stack([state.box_px for state in states]),
            "expected": track.expected_points(38),
        },
        {"points": 1e-3, "boxes": 1e-3, "expected": 1e-3},
    )


def _noted() -> Iterator[Case]:
    """Yield what is noted of a face's crops: how its lips follow a loudness, and that it never moves."""
    time = np.arange(120)
    loudness = np.where(time % 40 < 32, -30.0 + 12.0 * np.sin(time / 3.0), np.nan)
    motion = 3.0 + 2.0 * np.sin((time - 2) / 3.0) + 0.3 * np.cos(1.7 * time)
    lips = lip_score(0, time[1:], motion[1:], loudness)
    inputs = {"slots": time[1:].tolist(), "motion": motion[1:], "loudness": loudness}
    yield Case("lips", "late_by_two_slots", inputs, {"score": lips.score}, {"score": 1e-6})
    still = np.repeat(moving_blocks(1, 0), 120, axis=0)
    for name, crops in {"photograph": still, "moving": moving_blocks(120, 0)}.items():
        stillness = Stillness()
        stillness.push(crops)
        blocks = crops[:, ::20, ::20]
        yield Case("stillness", name, {"frames_blocks": blocks}, {"is_frozen": stillness.is_frozen()})
