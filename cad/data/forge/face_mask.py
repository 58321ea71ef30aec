# SPDX-License-Identifier: Apache-2.0
"""Soft masks for face forgers: a deformed outline of the face, or of a part of it, from the five points."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.forge.segment import draw_segment
from cad.data.records import STORED_CROP_SIZE_PX, Clip

#: Outlines in the frame of the face: origin between the eyes, x along the eyes, y down, unit = eye distance
#: (in a crop: the mouth's corners lie at y = 1.16). Each is (centre x, centre y, half width, upper half height,
#: lower half height); measured on the canonical points.
FACE_PARTS: dict[str, tuple[float, float, float, float, float]] = {
    "face": (0.0, 0.62, 1.05, 1.15, 1.25),
    "inner_face": (0.0, 0.60, 0.85, 0.85, 0.95),
    "lower_face": (0.0, 1.05, 0.90, 0.50, 0.80),
    "mouth": (0.0, 1.17, 0.62, 0.36, 0.42),
    "eyes": (0.0, 0.0, 0.90, 0.38, 0.38),
}


def draw_face_mask(
    points_px: NDArray[np.float32], rng: np.random.Generator, parts: Sequence[str]
) -> NDArray[np.float32]:
    """Return a mask in [0, 1] (192, 192): a randomly deformed outline, elastic-warped and blurred by a random width.

    The idea of deforming and blurring a face hull is from "Detecting Deepfakes with Self-Blended Images"
    (arXiv 2204.08376, section 3.2); outlines from five points, and the numbers, are ours.

    Args:
        points_px: float32 (slots, 5, 2); the median counts.
        rng: Source of chance.
        parts: Names from FACE_PARTS to draw from.
    """
    part = parts[int(rng.integers(len(parts)))]
    outline = _outline(points_px, FACE_PARTS[part], rng)
    mask = np.zeros((STORED_CROP_SIZE_PX, STORED_CROP_SIZE_PX), dtype=np.float32)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_8, shift=4)
    mask = _elastic(mask, rng)
    sigma = rng.uniform(1.0, 5.0 if part in ("mouth", "eyes") else 9.0)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), dtype=np.float32)
    if rng.random() < 0.5:  # move the soft border inwards, as blurring and thresholding again does
        mask = (mask - 0.5) * 2
    return np.asarray(np.clip(mask, 0, 1), dtype=np.float32)


def draw_face(clip: Clip, rng: np.random.Generator) -> tuple[slice, NDArray[np.uint8], NDArray[np.float32]] | None:
    """Return a random segment to forge, a view of its frames, and the points of its slots with a face; None without."""
    segment = draw_segment(clip.slots, rng)
    if clip.frames is None or clip.points_px is None or not clip.frames_present[segment].any():
        return None
    return segment, clip.frames[segment], clip.points_px[segment][clip.frames_present[segment]]


def _outline(
    points_px: NDArray[np.float32], part: tuple[float, float, float, float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    points = np.median(points_px, axis=0)
    right = points[1] - points[0]
    eye_distance = float(np.hypot(*right)) or 1.0
    across = right / eye_distance
    down = np.array([-across[1], across[0]])
    origin = (points[0] + points[1]) / 2
    centre_x, centre_y, half_width, upper, lower = part
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = 1 + _wobble(angle, rng)
    x = centre_x + half_width * radius * np.cos(angle) * rng.uniform(0.9, 1.1)
    height = np.where(np.sin(angle) < 0, upper, lower) * rng.uniform(0.9, 1.1)
    y = centre_y + height * radius * np.sin(angle)
    return np.asarray(origin + eye_distance * (x[:, None] * across + y[:, None] * down), dtype=np.float32)


def _wobble(angle: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    orders = np.arange(2, 6)
    size = rng.uniform(-0.06, 0.06, len(orders)) / np.sqrt(orders / 2)
    phase = rng.uniform(0, 2 * np.pi, len(orders))
    return np.asarray((size[:, None] * np.cos(orders[:, None] * angle + phase[:, None])).sum(0))


def _elastic(mask: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    size = mask.shape[0]
    coarse = rng.uniform(-1, 1, (2, 6, 6)).astype(np.float32) * rng.uniform(2.0, 8.0)
    grid_y, grid_x = np.mgrid[0:size, 0:size].astype(np.float32)
    move_x, move_y = (cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in coarse)
    return np.asarray(cv2.remap(mask, grid_x + move_x, grid_y + move_y, cv2.INTER_LINEAR))
