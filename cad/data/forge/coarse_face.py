# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face rendered at low resolution and enlarged by the kernels of generators and face swappers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.forge.patching import register_face

_INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
_ENLARGERS = (*_INTERPOLATIONS, "zero_insertion", "checkerboard")


@register_face("coarse_face")
def coarse_face(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shrink the face two- to fourfold and enlarge it again by a random kernel.

    Zero insertion leaves the spectral images of transposed convolution, the checkerboard those of a pixel
    shuffle whose sub-kernels differ. Source of the effects: Odena et al., 2016, "Deconvolution and checkerboard
    artifacts"; Durall et al., 2020, arXiv 2003.01826.
    """
    side = frames.shape[1]
    kind = _ENLARGERS[int(rng.integers(len(_ENLARGERS)))]
    small = side // 2 if kind in ("zero_insertion", "checkerboard") else round(side / rng.uniform(1.6, 4.0))
    shrink = int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR]))
    kernel = _transposed_kernel(kind, rng)
    sharpen = rng.uniform(0.0, 0.6)

    def coarse(frame: NDArray[np.uint8]) -> Any:
        low = cv2.resize(frame, (small, small), interpolation=shrink)
        if kind in ("zero_insertion", "checkerboard"):
            stuffed = np.zeros_like(frame)
            stuffed[::2, ::2] = low
            return cv2.filter2D(stuffed, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        large = cv2.resize(low, (side, side), interpolation=_INTERPOLATIONS[kind])
        if sharpen <= 0.15 or kind == "nearest":
            return large
        soft = cv2.GaussianBlur(large, (0, 0), 1.5)  # networks give edges back that were lost
        return cv2.addWeighted(large, 1 + sharpen, soft, -sharpen, 0)

    return each_frame(frames, coarse)


def _transposed_kernel(kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a 4x4 kernel for a stride of two whose four phases do not sum to quite the same."""
    tent = np.array([0.25, 0.75, 0.75, 0.25], dtype=np.float32)
    kernel = np.outer(tent, tent)
    if kind == "checkerboard":
        kernel = np.zeros((4, 4), dtype=np.float32)
        kernel[1:3, 1:3] = 1.0
    uneven = np.float32(rng.uniform(0.02, 0.08)) * rng.standard_normal((2, 2), dtype=np.float32)
    return np.asarray(kernel * (1 + np.tile(uneven, (2, 2))), dtype=np.float32)
