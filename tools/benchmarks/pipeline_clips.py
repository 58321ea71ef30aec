# SPDX-License-Identifier: Apache-2.0
"""Makes the clips on which the pipeline's speed is measured: committed stills that sway and talk, with sensor noise.

Without noise, what does not change decodes in no time and a tracker has nothing to doubt; cameras are not like that.
The voice is that of a committed golden clip, over and over: synthetic speech, so that the sound is judged as speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent.parent
PORTRAIT = ROOT / "tests" / "data" / "astronaut.jpg"
VOICE = ROOT / "tests" / "golden" / "clips" / "talking.mp4"
#: Standard deviation of the noise in grey levels: a phone indoors.
NOISE_LEVELS = 3.0
#: So many different fields of noise; each picture takes one of them, shifted at random.
_NOISE_FIELDS = 12
_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip is like: its length, how many faces it shows, its height in pixels (16:9) and frames a second."""

    seconds: float
    faces: int
    height: int
    fps: int

    @property
    def name(self) -> str:
        """The clip in a few characters, such as ``10s-1f-720p25``."""
        return f"{self.seconds:g}s-{self.faces}f-{self.height}p{self.fps}"

    @classmethod
    def of(cls, name: str) -> Clip:
        """Return the clip of a name.

        Raises:
            ValueError: It is not such a name.

        Example:
            >>> Clip.of("10s-3f-1080p30")
            Clip(seconds=10.0, faces=3, height=1080, fps=30)
        """
        seconds, faces, picture = name.split("-")
        height, fps = picture.split("p")
        return cls(float(seconds.removesuffix("s")), int(faces.removesuffix("f")), int(height), int(fps))


#: Every length, number of faces, height and rate once at 10 s; of a minute, the two that lie furthest apart.
CLIPS = (
    *(Clip(10, faces, height, fps) for height in (720, 1080) for faces in (1, 3) for fps in (25, 30)),
    Clip(60, 1, 720, 25),
    Clip(60, 3, 1080, 30),
)


def write_clip(path: Path, clip: Clip, seed: int = 7) -> Path:
    """Write an MP4 of H.264 and AAC, and return its path."""
    rng = np.random.default_rng(seed)
    width = clip.height * 16 // 9
    scene = _Scene(width, clip, rng)
    voice = _voice(clip.seconds)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=clip.fps, options={"crf": "20", "preset": "veryfast"})
        picture.width, picture.height, picture.pix_fmt = width, clip.height, "yuv420p"
        sound = container.add_stream("aac", rate=_RATE_HZ, layout="mono")
        for index in range(round(clip.fps * clip.seconds)):
            frame = av.VideoFrame.from_ndarray(scene.frame(index), format="bgr24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        for at in range(0, len(voice), 1024):
            block = av.AudioFrame.from_ndarray(voice[None, at : at + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = _RATE_HZ, at, Fraction(1, _RATE_HZ)
            container.mux(sound.encode(block))
        container.mux(sound.encode())
    return path


class _Scene:
    """The portrait, once for every face, swaying and nodding before a blurred copy of itself."""

    def __init__(self, width: int, clip: Clip, rng: np.random.Generator) -> None:
        self._clip, self._rng = clip, rng
        portrait = cv2.imread(str(PORTRAIT))
        side = round(clip.height * (0.85 if clip.faces == 1 else 0.5))
        self._portrait = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        self._back = cv2.GaussianBlur(cv2.resize(portrait, (width + 200, clip.height)), (0, 0), 12)
        fields = rng.normal(0, NOISE_LEVELS, (_NOISE_FIELDS, clip.height, width, 3))
        self._noise = np.round(fields).astype(np.int16)
        self._width = width

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return a picture, uint8 (height, width, 3) BGR."""
        time = index / self._clip.fps
        left = round(100 + 90 * np.sin(0.4 * time))
        picture = self._back[:, left : left + self._width].copy()
        side = len(self._portrait)
        for face in range(self._clip.faces):
            phase = 2.1 * face
            turn = cv2.getRotationMatrix2D((side / 2, side / 2), 3 * np.sin(1.3 * time + phase), 1.0)
            person = cv2.warpAffine(self._portrait, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
            centre = (face + 0.5) * self._width / self._clip.faces
            x = round(np.clip(centre - side / 2 + 0.03 * side * np.sin(0.9 * time + phase), 0, self._width - side))
            y = round((self._clip.height - side) / 2 + 0.02 * side * np.sin(1.7 * time + phase))
            picture[y : y + side, x : x + side] = person
        field = self._noise[self._rng.integers(_NOISE_FIELDS)]
        field = np.roll(field, int(self._rng.integers(self._clip.height)), axis=0)
        return np.clip(picture + field, 0, 255).astype(np.uint8)


def _voice(seconds: float) -> NDArray[np.float32]:
    """Return the voice of the golden clip, repeated to a length, float32 (samples,)."""
    resampler = av.AudioResampler("flt", "mono", _RATE_HZ)
    with av.open(str(VOICE)) as container:
        blocks = [block for frame in container.decode(audio=0) for block in resampler.resample(frame)]
        blocks += resampler.resample(None)
    voice = np.concatenate([block.to_ndarray().ravel() for block in blocks])
    return np.resize(voice, round(seconds * _RATE_HZ)).astype(np.float32)
