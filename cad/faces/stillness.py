# SPDX-License-Identifier: Apache-2.0
"""Stillness tells the verdict whether a face is a photograph: whether it never moves in all the time that it is seen.

A photograph may be zoomed, panned, turned, faded and coded badly, and aligned crops of it stay the same picture but for
place, size, brightness, contrast and sharpness. What all of these leave is measured: each crop, small and grey, is
fitted with the mean of two seconds and with how that mean changes under each of them. The largest patch of what is left
over is the face's own motion (a blink, the lips, a turn of the head) or noise.

The figures, on crops of the product's tracker: `tools/benchmarks/stillness.py`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.records import CROP_SIZE_PX

#: The part of a canonical crop that is looked at, brow to chin (left, top, right, bottom), and the side of its cells.
FACE_PX = (36, 36, 124, 132)
CELL_PX = 4
#: Crops that are compared with their own mean; a track's last ones are if there are as many as the second figure.
BLOCK_SLOTS, LEAST_BLOCK_SLOTS = 50, 20
#: A track's first slots do not count: coders begin with a coarse picture, and fades with a dark one.
SETTLING_SLOTS = 8
#: Genuine faces keep still for two seconds, and coded badly for three; a track of fewer slots is not called frozen.
LEAST_SLOTS = 100
#: A face moves if some patch of 12 px departs from the fit by more than this share of the face's contrast.
LEAST_MOTION = 0.16
#: In a long track one block in so many may seem to move (a glitch of the coding).
BLOCKS_A_GLITCH = 10
#: Contrast below this many grey levels is too little to tell anything by.
_LEAST_CONTRAST = 4.0
#: Slots over which the remainder is averaged, against noise.
_AVERAGED_SLOTS = 3

Small = NDArray[np.float32]


class Stillness:
    """Follows one face as its crops come by; once it has moved, no more is measured."""

    def __init__(self) -> None:
        self._settling = SETTLING_SLOTS
        self._slots = 0
        self._waiting: list[Small] = []
        self._first: Small | None = None
        self._blocks = self._moving = 0

    def push(self, crops: NDArray[np.uint8]) -> None:
        """Take the next crops in which the face is seen, uint8 (slots, size, size, 3), aligned."""
        self._slots += len(crops)
        skipped = min(self._settling, len(crops))
        self._settling -= skipped
        for crop in crops[skipped:]:
            if self._has_moved():
                return
            self._waiting.append(_small(crop))
            if len(self._waiting) == BLOCK_SLOTS:
                self._measure()

    def is_frozen(self) -> bool:
        """Say whether the face was seen for long enough to tell, and never moved; to be asked at the track's end."""
        if len(self._waiting) >= LEAST_BLOCK_SLOTS:
            self._measure()
        return self._slots >= LEAST_SLOTS and self._blocks > 0 and self._moving * BLOCKS_A_GLITCH <= self._blocks

    def _has_moved(self) -> bool:
        """Say whether it has moved so often that nothing that may come makes it a photograph's, but for hours of it."""
        return self._moving > 2

    def _measure(self) -> None:
        block, self._waiting = np.stack(self._waiting), []
        mean = block.mean(axis=0)
        motion = motion_of(block, mean)
        if self._first is None:
            self._first = mean
        else:
            motion = max(motion, motion_of(mean[None], self._first))
        self._blocks += 1
        self._moving += motion > LEAST_MOTION


def motion_of(pictures: Small, reference: Small) -> float:
    """Return the largest departure of any patch of any picture from the reference, however that is moved or lit.

    Args:
        pictures: float32 (slots, height, width), consecutive.
        reference: float32 (height, width).

    Returns:
        In standard deviations of the reference.
    """
    space = np.linalg.qr(_changes(reference))[0]
    flat = pictures.reshape(len(pictures), -1)
    left = (flat - flat @ space @ space.T) / max(float(reference.std()), _LEAST_CONTRAST)
    left = left.reshape(pictures.shape)
    count = max(1, len(left) - _AVERAGED_SLOTS + 1)
    means = [left[index : index + _AVERAGED_SLOTS].mean(axis=0) for index in range(count)]
    return max(float(np.abs(cv2.blur(mean, (3, 3))[1:-1, 1:-1]).max()) for mean in means)


def _changes(picture: Small) -> Small:
    """Return how a picture changes, in columns (pixels, 7): shift, scale, turn, light, contrast, sharpness."""
    down, right = np.gradient(picture)
    y, x = np.indices(picture.shape, dtype=np.float32)
    y, x = y - y.mean(), x - x.mean()
    sharper = cv2.Laplacian(picture, cv2.CV_32F)
    moves = (right, down, x * right + y * down, x * down - y * right)
    return np.stack([change.ravel() for change in (*moves, np.ones_like(picture), picture, sharper)], axis=1)


def _small(crop: NDArray[np.uint8]) -> Small:
    left, top, right, bottom = (round(side * crop.shape[0] / CROP_SIZE_PX) for side in FACE_PX)
    grey = cv2.cvtColor(crop[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    size = (FACE_PX[2] - FACE_PX[0]) // CELL_PX, (FACE_PX[3] - FACE_PX[1]) // CELL_PX
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
