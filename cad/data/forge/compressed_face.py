# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fake: a face compressed separately, on another block grid and harder than its surroundings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.data.augment.picture import each_frame
from cad.data.augment.video_codec import VideoCoding, coded_video, with_scale
from cad.data.forge.patching import register_face


@register_face("compressed_face")
def compressed_face(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take the face alone through a strong video codec, or a still-picture codec frame by frame."""
    draw = rng.random()
    if draw < 0.5:
        crf = str(int(rng.integers(30, 42)))
        return coded_video(frames, VideoCoding("libx264", "h264", (("preset", "superfast"), ("crf", crf))))
    if draw < 0.75:
        return coded_video(frames, with_scale("mpeg4", int(rng.integers(10, 24))))
    options = [int(cv2.IMWRITE_JPEG_QUALITY), int(rng.integers(15, 50))]
    return each_frame(frames, lambda frame: cv2.imdecode(cv2.imencode(".jpg", frame, options)[1], cv2.IMREAD_COLOR))
