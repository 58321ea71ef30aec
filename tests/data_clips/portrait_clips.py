# SPDX-License-Identifier: Apache-2.0
"""Clips of the public-domain portrait whose points are known, written for one test each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "clips"
#: Eyes, nose tip and mouth corners in the portrait (512 x 512), read off by hand.
PORTRAIT_POINTS = np.array([[203, 101], [246, 103.7], [221, 125], [205.5, 140], [243.7, 141]], dtype=np.float32)
RATE_HZ = 16_000

Picture = NDArray[np.uint8]


def portrait() -> Picture:
    """Return the portrait, uint8 (512, 512, 3) RGB."""
    return np.asarray(cv2.imread(str(GOLDEN / "still.jpg"))[:, :, ::-1], dtype=np.uint8)


def placed(scale: float, left_px: float, top_px: float, side_px: int = 320) -> tuple[Picture, NDArray[np.float32]]:
    """Return the portrait scaled and shifted, and where its five points are then."""
    matrix = np.array([[scale, 0, left_px], [0, scale, top_px]], dtype=np.float32)
    picture = cv2.warpAffine(
        portrait(), matrix, (side_px, side_px), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(picture, dtype=np.uint8), PORTRAIT_POINTS * scale + matrix[:, 2]


def write_pictures(
    path: Path, pictures: Sequence[Picture], sound: NDArray[np.float32] | None = None, first_sample: int = 0
) -> Path:
    """Write pictures at 25 a second with H.264 and three B-frames, and lossless sound from ``first_sample`` on."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "16", "bf": "3", "preset": "veryfast"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = None if sound is None else container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and audio is not None:
            whole = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first_sample, Fraction(1, RATE_HZ)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path
