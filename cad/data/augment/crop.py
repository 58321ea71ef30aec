# SPDX-License-Identifier: Apache-2.0
"""``cropped`` cuts the model's crop out of the stored one: the middle, or moved, zoomed, turned or mirrored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.records import CROP_MARGIN_PX, STORED_CROP_SIZE_PX, Clip
from cad.faces.records import CROP_SIZE_PX, MIRRORED_POINTS


@dataclass(frozen=True, slots=True)
class CropMove:
    """How the model's crop lies in the stored one, the same for all frames of a clip.

    Attributes:
        shift_px: x, y in pixels of the stored crop.
        zoom: Above one the face gets larger.
        turn_degrees: Counter-clockwise.
        is_mirrored: Left and right exchanged.
    """

    shift_px: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    turn_degrees: float = 0.0
    is_mirrored: bool = False

    def matrix(self) -> NDArray[np.float64]:
        """Return the affine matrix (2, 3) from stored to model pixels."""
        middle = (STORED_CROP_SIZE_PX - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), self.turn_degrees, self.zoom)
        matrix[:, 2] += np.asarray(self.shift_px) - CROP_MARGIN_PX
        if self.is_mirrored:
            matrix = np.array([[-1.0, 0.0], [0.0, 1.0]]) @ matrix
            matrix[0, 2] += CROP_SIZE_PX - 1
        return np.asarray(matrix)


def draw_crop_move(rng: np.random.Generator) -> CropMove:
    """Return a random move that stays inside the stored crop's margin."""
    zoom = rng.uniform(0.93, 1.10)
    turn = rng.uniform(-4.0, 4.0)
    angle = np.deg2rad(abs(turn))
    half = (CROP_SIZE_PX - 1) / 2 / zoom * (np.cos(angle) + np.sin(angle))
    room = max((STORED_CROP_SIZE_PX - 1) / 2 - half, 0.0) * zoom
    reach = min(room, 8.0)
    shift = rng.uniform(-reach, reach, 2)
    return CropMove((float(shift[0]), float(shift[1])), float(zoom), float(turn), bool(rng.random() < 0.5))


def cropped(clip: Clip, move: CropMove | None = None, frames: NDArray[np.uint8] | None = None) -> Clip:
    """Return ``clip`` with frames of 160 px and the points in them; sound alone passes through.

    Args:
        clip: A clip with stored crops.
        move: How the crop lies; None for the plain middle.
        frames: The pictures to use instead of the clip's, uint8 (slots, side, side, 3) of any side: the same
            view at another resolution.
    """
    pictures = clip.frames if frames is None else frames
    if pictures is None or clip.points_px is None:
        return clip
    move = move or CropMove()
    matrix = move.matrix()
    points = clip.points_px @ matrix[:, :2].T + matrix[:, 2]
    if move.is_mirrored:
        points = points[:, MIRRORED_POINTS]
    return replace(clip, frames=_warped(pictures, matrix), points_px=points.astype(np.float32))


def cropped_masks(masks: NDArray[np.uint8], move: CropMove | None) -> NDArray[np.uint8]:
    """Return masks uint8 (slots, 160, 160), 0 or 255, from masks of any side that show the stored crop.

    They move as ``cropped`` moves the pictures, and a pixel that a mask touches is covered.
    """
    matrix = _own_pixels((move or CropMove()).matrix(), masks.shape[1])
    out = np.empty((len(masks), CROP_SIZE_PX, CROP_SIZE_PX), dtype=np.uint8)
    for slot, mask in enumerate(masks):
        soft = cv2.warpAffine(mask, matrix, (CROP_SIZE_PX, CROP_SIZE_PX), flags=cv2.INTER_LINEAR)
        _, out[slot] = cv2.threshold(soft, 63, 255, cv2.THRESH_BINARY)
    return out


def _warped(pictures: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    side = pictures.shape[1]
    if side == STORED_CROP_SIZE_PX and np.array_equal(matrix, CropMove().matrix()):
        inner = slice(CROP_MARGIN_PX, CROP_MARGIN_PX + CROP_SIZE_PX)
        return np.ascontiguousarray(pictures[:, inner, inner])
    own, size = _own_pixels(matrix, side), (CROP_SIZE_PX, CROP_SIZE_PX)
    return each_frame(pictures, lambda one: cv2.warpAffine(one, own, size, borderMode=cv2.BORDER_REPLICATE))


def _own_pixels(matrix: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return ``matrix`` for pictures of ``side`` pixels that show the stored crop."""
    # Pixel centres: stored + 0.5 = (own + 0.5) * scale.
    scale = STORED_CROP_SIZE_PX / side
    own = matrix.copy()
    own[:, :2] = matrix[:, :2] * scale
    own[:, 2] += matrix[:, :2] @ np.full(2, 0.5 * scale - 0.5)
    return own
