# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face rebuilt from a few principal components, as by a model with a narrow bottleneck."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.forge.patching import rerendered
from cad.data.forge.records import Job, Need, Stream
from cad.data.forge.registry import register
from cad.data.records import LabeledClip


@register("low_rank_face", needs=[Need.PICTURE], sets=[Stream.VIDEO])
def low_rank_face(job: Job, rng: np.random.Generator) -> LabeledClip | None:
    """Rebuild the face from a few principal components of its own frames."""
    return rerendered(job, rng, "low_rank_face", _low_rank, ("face", "inner_face", "lower_face", "mouth"))


def _low_rank(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    slots, side = frames.shape[:2]
    small = min(side, 64)
    rows = np.stack([cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA) for frame in frames])
    matrix = rows.reshape(slots, -1).astype(np.float32)
    mean = matrix.mean(axis=0)
    matrix -= mean
    # Frames are few and pixels many: the eigenvectors of the small Gram matrix give the same components.
    _, vectors = np.linalg.eigh(matrix @ matrix.T)
    kept = vectors[:, -int(rng.integers(1, 6)) :].astype(np.float32)
    rebuilt = np.clip(kept @ (kept.T @ matrix) + mean, 0, 255).astype(np.uint8).reshape(rows.shape)
    out = np.empty_like(frames)
    for slot, low in enumerate(rebuilt):
        out[slot] = cv2.resize(low, (side, side), interpolation=cv2.INTER_CUBIC)
    return out
