# SPDX-License-Identifier: Apache-2.0
"""Clips drawn and synthesised here: a moving face-like picture and a voice-like sound, for tests without data."""

from __future__ import annotations

import cv2
import numpy as np

from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX, Clip
from cad.faces.records import CANONICAL_POINTS_PX


def made_clip(slots: int = 100, seed: int = 0, identity: str = "anna", key: str = "", pair_id: str = "") -> Clip:
    """A clip whose mouth opens with the loudness of its sound."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(slots * 640) / 16_000
    rate = rng.uniform(3, 5)
    envelope = np.clip(np.sin(2 * np.pi * rate * seconds + rng.uniform(0, 6)) + 0.4, 0, None)
    pitch = rng.uniform(100, 220) + 15 * np.sin(2 * np.pi * 0.7 * seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    voice = sum(np.sin(k * phase + k) / k for k in range(1, 30)) * envelope * 0.08
    audio = (voice + rng.standard_normal(len(voice)) * 0.003 * (0.3 + envelope)).astype(np.float32)
    points = np.repeat((CANONICAL_POINTS_PX + CROP_MARGIN_PX)[None], slots, 0) + rng.normal(0, 0.3, (slots, 5, 2))
    grain = rng.normal(0, 3, (STORED_CROP_SIZE_PX + 16, STORED_CROP_SIZE_PX + 16, 3)).astype(np.float32)
    frames = np.stack([_face(points[slot], envelope[slot * 640], grain, slot) for slot in range(slots)])
    present = np.ones(slots, dtype=bool)
    return Clip(
        key=key or f"made/{identity}/{seed}",
        frames=frames,
        points_px=points.astype(np.float32),
        frames_present=present,
        audio=audio,
        audio_present=present.copy(),
        identity=identity,
        source="made",
        pair_id=pair_id,
    )


def _face(points: np.ndarray, mouth_open: float, grain: np.ndarray, slot: int) -> np.ndarray:
    size = STORED_CROP_SIZE_PX
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    picture = np.stack([90 + columns / 3, 80 + rows / 4, 120 - columns / 5], axis=2)
    centre = tuple(int(value) for value in points.mean(axis=0))
    cv2.ellipse(picture, centre, (45, 60), 0, 0, 360, (205, 165, 140), -1, cv2.LINE_AA)
    for point in points[:3]:
        cv2.circle(picture, tuple(int(value) for value in point), 5, (60, 45, 40), -1, cv2.LINE_AA)
    mouth = tuple(int(value) for value in (points[3] + points[4]) / 2)
    cv2.ellipse(picture, mouth, (16, 2 + int(6 * mouth_open)), 0, 0, 360, (120, 40, 50), -1, cv2.LINE_AA)
    top, left = slot * 5 % 16, slot * 11 % 16  # the same grain, elsewhere in each frame
    picture += grain[top : top + size, left : left + size]
    return np.clip(picture, 0, 255).astype(np.uint8)
