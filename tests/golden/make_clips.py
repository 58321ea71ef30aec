# SPDX-License-Identifier: Apache-2.0
"""Make the golden clips anew: a puppet of a public-domain portrait, and synthetic voices.

    python tests/golden/make_clips.py --out tests/golden/clips

The portrait is the picture ``astronaut`` that comes with scikit-image: Eileen Collins, photographed by NASA, in the
public domain. Her mouth is warped by the loudness of a voice of espeak-ng.
Neither she nor NASA said any of it. New clips want new verdicts: ``python tests/golden/record.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from clip_files import FPS, SAMPLE_RATE_HZ, Codecs, copy_streams, turn_on_display, write_clip
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tool_module import load_tool

example = load_tool("release/make_example")

Picture = NDArray[np.uint8]
Voice = NDArray[np.float32]
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
#: Enough for the model to be sure of it; a puppet's lips say little of smaller lags.
LATE_SECONDS = 0.48


def say(text: str, voice: str, seconds: float, words_per_minute: int = 150) -> Voice:
    """Return a text spoken by a voice of espeak-ng, cut or filled with silence to a length."""
    count = round(seconds * FPS) * SAMPLES_PER_FRAME
    return example.speak(text, voice, words_per_minute).fitted(count).samples


def in_a_room(voice: Voice, seed: int, seconds: float = 0.8, strength: float = 0.2) -> Voice:
    """Return a voice with the echo of a bare room, which dies away by 60 dB in ``seconds``."""
    count = round(seconds * SAMPLE_RATE_HZ)
    echo = strength * np.random.default_rng(seed).standard_normal(count) * 10.0 ** (-3.0 * np.arange(count) / count)
    echo[0] = 1.0
    heard = np.convolve(voice, echo)[: len(voice)]
    return (0.5 * heard / np.abs(heard).max()).astype(np.float32)


def in_the_dusk(picture: Picture, gamma: float) -> Picture:
    """Return a picture in poor light (``gamma`` above 1), in which the model sees less that is suspicious."""
    return np.asarray(255.0 * (picture / 255.0) ** gamma, dtype=np.uint8)


def talking_head(voice: Voice, first_frame: int = 0) -> list[Picture]:
    """Return the portrait, 320 x 320, with a mouth that follows a voice."""
    portrait = example.photograph()
    return [
        example.sway(example.open_mouth(portrait, float(opening)), first_frame + index)
        for index, opening in enumerate(example.openings(voice))
    ]


def silent_head(count: int, first_frame: int = 0) -> list[Picture]:
    """Return the portrait, 320 x 320, with a mouth at rest."""
    portrait = example.photograph()
    return [example.sway(portrait, first_frame + index) for index in range(count)]


def still(folder: Path) -> None:
    """Write the whole portrait as a photograph: nothing in it is forged."""
    from skimage.data import astronaut

    cv2.imwrite(str(folder / "still.jpg"), astronaut()[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def talking(folder: Path) -> None:
    """Write the plain puppet, and the same packets in another container."""
    voice = say("Good morning. Here is the news, read by nobody at all.", "en-us+f3", 4.0)
    write_clip(folder / "talking.mp4", talking_head(voice), voice)
    copy_streams(folder / "talking.mp4", folder / "talking.mkv")


def several_faces(folder: Path) -> None:
    """Write a speaking face, a mirrored one that listens, and a third that is too small to judge."""
    voice = say("One of us is talking, the other one only listens to it.", "en-us+f3", 4.0)
    speakers = talking_head(voice)
    listeners = silent_head(len(speakers), first_frame=40)
    frames = []
    for speaker, listener in zip(speakers, listeners, strict=True):
        canvas = np.full((320, 640, 3), 90, np.uint8)
        canvas[:, :320] = speaker
        canvas[:, 320:] = cv2.convertScaleAbs(listener[:, ::-1], alpha=0.85, beta=12)
        canvas[212:308, 272:368] = cv2.resize(listener, (96, 96), interpolation=cv2.INTER_AREA)
        frames.append(canvas)
    write_clip(folder / "several_faces.mp4", frames, voice)


def no_face(folder: Path) -> None:
    """Write a slow pan over the space suit, with a voice over it."""
    from skimage.data import astronaut

    suit = astronaut()[210:512, 20:512]
    voice = say("Now you see the suit, the badge and the helmet.", "en-gb+m3", 3.0)
    count = len(voice) // SAMPLES_PER_FRAME
    frames = [suit[index : index + 224, 2 * index : 2 * index + 320] for index in range(count)]
    write_clip(folder / "no_face.mp4", frames, voice)


def no_sound(folder: Path) -> None:
    """Write the portrait as a silent film in the dusk: the camera moves, the mouth does not."""
    write_clip(folder / "no_sound.mp4", [in_the_dusk(head, 3.0) for head in silent_head(75)])


def cuts(folder: Path) -> None:
    """Write three shots under one voice: the speaker, a view without a face, the speaker mirrored and closer."""
    from skimage.data import astronaut

    sentence = "First you see me. Then the rocket that took us there. And now you see me again, closer."
    voice = say(sentence, "en-gb+m3", 6.0)
    heads = talking_head(voice)
    rocket = cv2.resize(astronaut()[100:300, 312:512], (320, 320), interpolation=cv2.INTER_CUBIC)
    close = [cv2.resize(head[24:264, 40:280][:, ::-1], (320, 320), interpolation=cv2.INTER_CUBIC) for head in heads]
    write_clip(folder / "cuts.mp4", [*heads[:60], *[rocket] * 30, *close[90:]], voice)


def rotated(folder: Path) -> None:
    """Write an upright picture lying on its side, with a display matrix that sets it up again; the sound comes late."""
    voice = say("Hold your telephone any way you like, it will be all right.", "en-us+f2", 4.0)
    late = np.pad(voice, (round(LATE_SECONDS * SAMPLE_RATE_HZ), 0))[: len(voice)]
    stored = [np.rot90(head[:, 40:280]) for head in talking_head(voice)]
    path = folder / "rotated.mp4"
    write_clip(path, stored, late)
    turn_on_display(path, stored[0].shape[0])


def variable_rate(folder: Path) -> None:
    """Write pictures at uneven times: every third is missing, and none comes for 0.4 s in the middle."""
    voice = say("The pictures come and go as they please, and nobody knows when.", "en-gb-scotland+f2", 4.0)
    heads = talking_head(voice)
    kept = [index for index in range(len(heads)) if index % 3 != 2 and not 50 <= index < 60]
    write_clip(
        folder / "variable_rate.webm",
        [in_the_dusk(heads[index], 2.0) for index in kept],
        in_a_room(voice, seed=1),
        times_ms=[index * 1000 // FPS for index in kept],
        codecs=Codecs("libvpx-vp9", "libopus", crf=36),
    )


def spliced_voice(folder: Path) -> None:
    """Write a voice in a room in which one stretch, from 2.4 s to 4.0 s, is a voice from a formula without a room."""
    said = say("I have never been to the moon. I have always wanted to go and see it.", "en-gb-scotland+f2", 6.0)
    voice = in_a_room(said, seed=2)
    other, _ = load_tool("forge_sheet").made_voice(slots=40, rng=np.random.default_rng(2))
    start = round(2.4 * SAMPLE_RATE_HZ)
    voice[start : start + len(other)] = other
    write_clip(folder / "spliced_voice.mp4", talking_head(said), voice)


SCENES: tuple[Callable[[Path], None], ...] = (
    *(still, talking, several_faces, no_face, no_sound, cuts, rotated, variable_rate, spliced_voice),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        scene(folder)
    for path in sorted(folder.glob("*.*")):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
