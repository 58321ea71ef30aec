# SPDX-License-Identifier: Apache-2.0
"""overlaps and keep_best tell the finder and the tracker how much boxes overlap, and which of them to keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of every box with every other.

    Args:
        boxes: (a, 4) left, top, right, bottom.
        others: (b, 4).

    Returns:
        float32 (a, b) in [0, 1]; 0 where a box has no area.

    Example:
        >>> overlaps(np.float32([[0, 0, 2, 2]]), np.float32([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
        [[0.3330000042915344, 0.0]]
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    union = _areas(boxes)[:, None] + _areas(others)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def keep_best(boxes: NDArray[np.float32], limit: float) -> NDArray[np.intp]:
    """Return the indices of the boxes to keep, of ``boxes`` best first: no two overlap by more than ``limit``.

    Example:
        >>> keep_best(np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]), 0.4).tolist()
        [0, 2]
    """
    left = np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    for index in range(len(boxes)):
        if left[index]:
            kept.append(index)
            left &= overlaps(boxes[index : index + 1], boxes)[0] <= limit
    return np.array(kept, dtype=np.intp)


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1), dtype=np.float32)
