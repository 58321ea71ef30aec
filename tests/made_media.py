# SPDX-License-Identifier: Apache-2.0
"""Small media files that the tests make for themselves, and a face tracker that takes the whole picture for a face."""

from __future__ import annotations

import wave
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import ClassVar

import av
import cv2
import numpy as np

from cad.faces.records import CROP_SIZE_PX, FaceCrops
from cad.media.records import VideoFrames

RATE_HZ = 16_000
#: Colours for the tiny model: it takes red for forged picture and green for lips that do not fit.
RED, DARK = (250, 0, 0), (20, 0, 0)


@cache
def _voice() -> np.ndarray:
    """Return what is said in the packaged example without its pauses, float32 (samples,) at 16 kHz, of unit power."""
    with av.open(str(Path(__file__).parent / "data" / "astronaut_fake.mp4")) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        frames = [frame for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    slots = samples[: len(samples) // 640 * 640].reshape(-1, 640)
    level = 10 * np.log10(np.square(slots).mean(axis=1) + 1e-12)
    said = slots[level > np.percentile(level, 95) - 20].reshape(-1)
    return (said / np.sqrt(np.square(said).mean())).astype(np.float32)


def talk(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return a voice that says nonsense without a pause, float32 (samples,); ``seed`` says where it starts.

    It is a voice, since sound that merely rises and falls as speech does is none for the detector.
    """
    samples = int(seconds * RATE_HZ)
    said = np.roll(_voice(), -640 * 17 * seed)
    return (0.62 * level * np.tile(said, -(-samples // len(said)))[:samples]).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    """Write 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def write_video(
    path: Path,
    seconds: float = 4.0,
    colour: tuple[int, int, int] = DARK,
    sound: np.ndarray | None = None,
    fps: int = 25,
) -> Path:
    """Write pictures of one colour with MPEG-4, and sound with AAC if there is any."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=fps)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = None if sound is None else container.add_stream("aac", rate=RATE_HZ, layout="mono")
        picture = np.empty((240, 320, 3), np.uint8)
        picture[:] = colour
        for index in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


class WholePictureTracker:
    """Stands in for the face tracker where a test is not about faces: the whole picture is the face."""

    left_out = 0

    def __init__(self, finder: object, joint_slots: object = (), is_still: bool = False) -> None:
        """Take what the real one takes."""

    def push(self, chunk: VideoFrames) -> list[FaceCrops]:
        slots, height, width, _ = chunk.frames.shape
        return [
            FaceCrops(
                track_id=0,
                first_slot=chunk.first_slot,
                crops=np.stack([cv2.resize(frame, (CROP_SIZE_PX, CROP_SIZE_PX)) for frame in chunk.frames]),
                present=chunk.present.copy(),
                boxes_px=np.tile(np.array([0, 0, width, height], np.float32), (slots, 1)),
                points_px=np.zeros((slots, 5, 2), np.float32),
                scores=np.ones(slots, np.float32),
            )
        ]

    def flush(self) -> list[FaceCrops]:
        return []


class NoFaceFinder:
    """Stands in for the face finder, so that no face net is loaded."""

    nets: ClassVar[dict[str, str]] = {}

    def checked(self, check: object) -> NoFaceFinder:
        return self


class NoFaceTracker:
    """Finds no face at all."""

    left_out = 0

    def __init__(self, finder: object, joint_slots: object = (), is_still: bool = False) -> None:
        """Take what the real one takes."""

    def push(self, chunk: VideoFrames) -> list[FaceCrops]:
        return []

    def flush(self) -> list[FaceCrops]:
        return []


def stand_in_for_faces(monkeypatch, tracker: type = WholePictureTracker) -> None:
    """Let the detector use ``tracker``, and no face net."""
    monkeypatch.setattr("cad.detector.FaceFinder", NoFaceFinder)
    monkeypatch.setattr("cad.detector.FaceTracker", tracker)
