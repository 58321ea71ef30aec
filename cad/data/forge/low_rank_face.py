# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face rebuilt from a few principal components, as by a model with a narrow bottleneck."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.forge.patching import register_face


@register_face("low_rank_face", ("face", "inner_face", "lower_face", "mouth"))
def low_rank_face(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rebuild the face from a few principal components of its own frames."""
    side = frames.shape[1]
    small = min(side, 64)
    rows = each_frame(frames, lambda frame: cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA))
    matrix = rows.reshape(len(rows), -1).astype(np.float32)
    mean = matrix.mean(axis=0)
    matrix -= mean
    # Frames are few and pixels many: the eigenvectors of the small Gram matrix give the same components.
    _, vectors = np.linalg.eigh(matrix @ matrix.T)
    kept = vectors[:, -int(rng.integers(1, 6)) :].astype(np.float32)
    rebuilt = np.clip(kept @ (kept.T @ matrix) + mean, 0, 255).astype(np.uint8).reshape(rows.shape)
    return each_frame(rebuilt, lambda low: cv2.resize(low, (side, side), interpolation=cv2.INTER_CUBIC))
