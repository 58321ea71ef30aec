# SPDX-License-Identifier: Apache-2.0
"""The clip that tools/bench.py gpu judges: a committed photograph that sways, with a sensor's noise and a voice."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
FPS = 25
RATE_HZ = 16_000
#: Of the noise, in levels of 255.
NOISE = 3.0


def make_clip(path: Path, seconds: float, height: int) -> Path:
    """Write H.264 and AAC in MP4, 16:9, by PyAV alone."""
    width = height * 16 // 9 // 2 * 2
    photograph = cv2.cvtColor(cv2.imread(str(DATA / "astronaut.jpg")), cv2.COLOR_BGR2RGB)
    rng = np.random.default_rng(7)
    grains = rng.normal(0, NOISE, (8, height, width, 3)).astype(np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for index in range(round(seconds * FPS)):
            picture = swayed(photograph, index / FPS, width, height) + grains[index % len(grains)]
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.resize(voice(), round(seconds * RATE_HZ))
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def swayed(picture: np.ndarray, seconds: float, width: int, height: int) -> np.ndarray:
    """Return the photograph in the frame at a time, float32 (height, width, 3): it moves and turns a little."""
    scale = height / picture.shape[0]
    angle = math.radians(2.0 * math.sin(1.9 * seconds))
    across = (width - scale * picture.shape[1]) / 2 + 0.02 * width * math.sin(1.3 * seconds)
    turn = np.array(
        [
            [scale * math.cos(angle), -scale * math.sin(angle), across],
            [scale * math.sin(angle), scale * math.cos(angle), 0.01 * height * math.sin(2.3 * seconds)],
        ]
    )
    return cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.float32)


def voice() -> np.ndarray:
    """Return the packaged example's sound, float32 (samples,)."""
    with av.open(str(DATA / "astronaut_fake.mp4")) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        frames = [one for decoded in container.decode(audio=0) for one in resampler.resample(decoded)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
