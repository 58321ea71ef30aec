# SPDX-License-Identifier: Apache-2.0
"""Make the example files under tests/data: a real photograph, and a small fake clip made from it.

The face is the picture ``astronaut`` that comes with scikit-image: Eileen Collins, photographed by NASA, in the
public domain. In the clip her mouth is warped open and shut by the loudness of a synthetic voice, so both
picture and sound are forged. Neither she nor NASA said any of it.

    python tools/release/make_example.py --out tests/data

The voice is espeak-ng's, or flite's, or else that of the formant synthesiser below.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SENTENCE = "Hello. This is not my voice, and these are not my lips. A computer has made this clip from one photograph."
SAMPLE_RATE_HZ = 16_000
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
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


def speak(text: str) -> tuple[NDArray[np.float32], str]:
    """Return synthetic speech, float32 (samples,) at 16 kHz, and whose voice it is."""
    programs: dict[str, Callable[[str], list[str]]] = {
        "espeak-ng": lambda path: ["espeak-ng", "-v", "en-us+f3", "-s", "150", "-w", path, text],
        "flite": lambda path: ["flite", "-voice", "slt", "-o", path, "-t", text],
    }
    for name, command in programs.items():
        if shutil.which(name):
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "voice.wav")
                subprocess.run(command(path), check=True)
                return read_sound(path), name
    return formant_voice(), "formant synthesiser"


def read_sound(path: str) -> NDArray[np.float32]:
    """Return a sound file as float32 (samples,) at 16 kHz mono."""
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    with av.open(path) as container:
        blocks = [block.to_ndarray()[0] for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    return np.concatenate(blocks).astype(np.float32)


def formant_voice() -> NDArray[np.float32]:
    """Return vowels with pauses between them from a pulse train through three resonators.

    Source of the formants: Peterson and Barney, 1952 (women).
    """
    vowels = {"a": (850, 1220, 2810), "i": (310, 2790, 3310), "u": (370, 950, 2670), "e": (610, 2330, 2990)}
    syllables = [syllable(vowels[name], 200.0 + 15.0 * (step % 3)) for step, name in enumerate("aieuaeiauieaeuia")]
    return np.concatenate(syllables)


def syllable(formants_hz: tuple[int, int, int], pitch_hz: float, seconds: float = 0.28) -> NDArray[np.float32]:
    """Return one vowel with a soft start and end, float32 (samples,)."""
    count = int(seconds * SAMPLE_RATE_HZ)
    phase = np.cumsum(np.full(count, pitch_hz / SAMPLE_RATE_HZ)) % 1.0
    sound = (np.diff(phase, prepend=0.0) < 0).astype(np.float64)
    for formant_hz in formants_hz:
        sound = resonate(sound, formant_hz, 90.0)
    envelope = np.sin(np.pi * np.arange(count) / count) ** 2
    sound *= envelope
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


def resonate(sound: NDArray[np.float64], centre_hz: float, width_hz: float) -> NDArray[np.float64]:
    """Return ``sound`` after a resonator with two poles."""
    radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
    back1 = 2.0 * radius * np.cos(2.0 * np.pi * centre_hz / SAMPLE_RATE_HZ)
    back2 = -radius * radius
    out = np.zeros(len(sound) + 2)
    for index, value in enumerate(sound):
        out[index + 2] = value + back1 * out[index + 1] + back2 * out[index]
    return out[2:]


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
    time = frame / FPS
    scale = 1.02 + 0.008 * np.sin(0.9 * time)
    matrix = cv2.getRotationMatrix2D((MOUTH_X, MOUTH_Y), 0.5 * np.sin(0.7 * time), scale)
    matrix[:, 2] += (1.5 * np.sin(1.1 * time), 1.0 * np.sin(1.7 * time))
    side = picture.shape[0]
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def write_clip(path: Path, picture: NDArray[np.uint8], voice: NDArray[np.float32]) -> None:
    """Write the clip as H.264 and AAC."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
        video.width = video.height = picture.shape[0]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        audio.bit_rate = 48_000
        for index, opening in enumerate(openings(voice)):
            frame = av.VideoFrame.from_ndarray(sway(open_mouth(picture, float(opening)), index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
            container.mux(audio.encode(sound_frame(voice, index)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def sound_frame(voice: NDArray[np.float32], index: int) -> av.AudioFrame:
    """Return the sound that goes with a frame."""
    start = index * SAMPLES_PER_FRAME
    frame = av.AudioFrame.from_ndarray(voice[None, start : start + SAMPLES_PER_FRAME], format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    frame.pts, frame.time_base = start, Fraction(1, SAMPLE_RATE_HZ)
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tests/data"), help="folder to write to")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    picture = photograph()
    still = folder / "astronaut.jpg"
    cv2.imwrite(str(still), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 93])
    voice, whose = speak(SENTENCE)
    clip = folder / "astronaut_fake.mp4"
    write_clip(clip, picture, voice)
    print(f"{still}: {still.stat().st_size} bytes")
    print(f"{clip}: {clip.stat().st_size} bytes, {len(voice) / SAMPLE_RATE_HZ:.1f} s, voice of {whose}")


if __name__ == "__main__":
    main()
