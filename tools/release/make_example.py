# SPDX-License-Identifier: Apache-2.0
"""Make the example files under tests/data: a real photograph, and a small fake clip made from it.

The face is the picture ``astronaut`` that comes with scikit-image: Eileen Collins, photographed by NASA, in the
public domain. In the clip her mouth is warped open and shut by the loudness of a synthetic voice, so both
picture and sound are forged. Neither she nor NASA said any of it.

    python tools/release/make_example.py --out tests/data

The voice is that of espeak-ng, which must be installed.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from cad.command import run_command
from cad.evaluation.perturb.source import Picture, Sound, clip_info, read_sound
from cad.evaluation.perturb.writer import Encoding, write_clip

SENTENCE = "Hello. This is not my voice, and these are not my lips. A computer has made this clip from one photograph."
ENCODING = Encoding("h264", 24, "aac", 48_000)
#: The part of the 512 px photograph that is shown: left, top, side.
VIEW = (64, 0, 320)
#: Where the lips meet in that part, how wide the mouth is, and how far down the jaw reaches.
MOUTH_X, MOUTH_Y, MOUTH_HALF_WIDTH, JAW_PX = 160.0, 147.0, 24.0, 40.0
WIDEST_PX = 9.0
MOUTH_COLOUR = (62.0, 22.0, 24.0)


def photograph() -> NDArray[np.uint8]:
    """Return the part of the photograph that is shown, uint8 (320, 320, 3) RGB."""
    from skimage.data import astronaut

    left, top, side = VIEW
    return np.ascontiguousarray(astronaut()[top : top + side, left : left + side])


def speak(text: str, voice: str = "en-us+f3", words_per_minute: int = 150) -> Sound:
    """Return a text spoken by a voice of espeak-ng, at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-w", str(path), text], check=True)
        said = read_sound(path, clip_info(path))
    assert said is not None
    return said.at_rate(SAMPLE_RATE_HZ)


def openings(voice: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far the mouth is open in every frame, float64 (frames,) in [0, 1], from the loudness."""
    frames = len(voice) // SAMPLES_PER_FRAME
    loudness = np.sqrt(np.square(voice[: frames * SAMPLES_PER_FRAME].reshape(frames, -1)).mean(axis=1))
    smooth = np.convolve(loudness, [0.25, 0.5, 0.25], mode="same")
    return np.clip(smooth / np.percentile(smooth, 95), 0.0, 1.0)


def open_mouth(picture: NDArray[np.uint8], opening: float) -> NDArray[np.uint8]:
    """Return the picture with the lower lip and the jaw pulled down and a dark gap between the lips."""
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    across = np.clip(1.0 - ((columns - MOUTH_X) / MOUTH_HALF_WIDTH) ** 2, 0.0, 1.0)
    drop = WIDEST_PX * opening * across
    below = np.clip(rows - MOUTH_Y, 0.0, None)
    fade = np.clip(1.0 - below / JAW_PX, 0.0, 1.0)
    source_rows = np.where(rows > MOUTH_Y, np.maximum(rows - drop * fade, MOUTH_Y), rows).astype(np.float32)
    warped = cv2.remap(picture, columns, source_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = np.clip(drop - below, 0.0, 1.0) * (rows > MOUTH_Y)
    soft = cv2.GaussianBlur(gap.astype(np.float32), (0, 0), 0.8)[..., None]
    return (warped * (1.0 - soft) + np.array(MOUTH_COLOUR) * soft).round().astype(np.uint8)


def sway(picture: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
    """Return the picture as a hand-held camera would drift over it."""
    time = frame / FRAME_RATE_HZ
    scale = 1.02 + 0.008 * np.sin(0.9 * time)
    matrix = cv2.getRotationMatrix2D((MOUTH_X, MOUTH_Y), 0.5 * np.sin(0.7 * time), scale)
    matrix[:, 2] += (1.5 * np.sin(1.1 * time), 1.0 * np.sin(1.7 * time))
    side = picture.shape[0]
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tests/data"), help="folder to write to")
    return run_command(lambda: make(parser.parse_args().out), "make_example")


def make(folder: Path) -> int:
    """Write the still and the clip."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, voice = photograph(), speak(SENTENCE)
    still = folder / "astronaut.jpg"
    cv2.imwrite(str(still), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 93])
    frames = [
        Picture(index / FRAME_RATE_HZ, sway(open_mouth(picture, float(opening)), index))
        for index, opening in enumerate(openings(voice.samples))
    ]
    sound = voice.fitted(len(frames) * SAMPLES_PER_FRAME)
    clip = write_clip(folder / "astronaut_fake", frames, sound, Fraction(FRAME_RATE_HZ), ENCODING)
    for file in (still, clip):
        print(f"{file}: {file.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
