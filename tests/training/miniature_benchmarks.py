# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in miniature, with clips that can be trained on: the portrait speaks, in as many people as it takes."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from made_media import RATE_HZ, talk

PORTRAIT = Path(__file__).resolve().parents[1] / "data" / "astronaut.jpg"
SECONDS, SIDE_PX = 2.4, 288
#: Where the mouth is in the portrait, as a share of its sides.
MOUTH = (0.503, 0.456)

FAKEAVCELEB_COLUMNS = ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path", ""]
#: By split, people that the shipped list of identities puts there.
FAKEAVCELEB_PEOPLE = {
    "train": ("id00020", "id00025", "id00029"),
    "val": ("id00062", "id00183"),
    "test": ("id00018", "id00021"),
}
FAKEAVCELEB_KINDS = {
    "A": ("RealVideo-RealAudio", "real"),
    "B": ("RealVideo-FakeAudio", "rtvc"),
    "C": ("FakeVideo-RealAudio", "faceswap"),
    "D": ("FakeVideo-FakeAudio", "wav2lip"),
}


def write_talking_head(path: Path, person: int, forged_picture: bool = False, forged_sound: bool = False) -> None:
    """Write the portrait in a person's colours, its mouth moving with a voice; forgeries are a tint and a hum."""
    rng = np.random.default_rng(person)
    picture = cv2.resize(cv2.imread(str(PORTRAIT))[:, :, ::-1], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    picture = np.clip(picture * rng.uniform(0.75, 1.15, 3), 0, 255)
    if forged_picture:
        picture[70:150, 100:190] = np.clip(picture[70:150, 100:190] * [1.0, 0.85, 1.1], 0, 255)
    voice = talk(SECONDS, seed=person)
    if forged_sound:
        voice = voice + 0.02 * np.sin(2 * np.pi * 900 * np.arange(len(voice)) / RATE_HZ).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = SIDE_PX, SIDE_PX, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for index in range(round(SECONDS * 25)):
            level = float(np.abs(voice[index * 640 : (index + 1) * 640]).mean())
            shown = np.ascontiguousarray(picture, np.uint8)
            centre = (round(MOUTH[0] * SIDE_PX), round(MOUTH[1] * SIDE_PX))
            cv2.ellipse(shown, centre, (9, 1 + round(40 * level)), 0, 0, 360, (60, 20, 20), -1)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(voice[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def write_fakeavceleb(root: Path) -> Path:
    """Write a clip of each category of each person, and the table that names them."""
    rows = [FAKEAVCELEB_COLUMNS]
    people = [one for split in FAKEAVCELEB_PEOPLE.values() for one in split]
    for number, person in enumerate(people):
        for category, (kind, method) in FAKEAVCELEB_KINDS.items():
            other = people[number - 1] if category in "CD" else "-"
            name = "00001.mp4" if category == "A" else f"00001_{method}.mp4"
            folder = f"{kind}/African/men/{person}"
            rows.append([person, other, "-", method, category, kind, "African", "men", name, f"FakeAVCeleb/{folder}"])
            write_talking_head(root / folder / name, number, category in "CD", category in "BD")
    with (root / "meta_data.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return root


def write_lavdf(root: Path) -> Path:
    """Write genuine clips and clips with a forged second, and the index that names them."""
    entries = []
    for split, people in (("train", range(4)), ("dev", range(4, 6)), ("test", range(6, 8))):
        for person in people:
            for forged in (False, True):
                file = f"{split}/{2 * person + forged:06d}.mp4"
                write_talking_head(root / file, person, forged, forged)
                entries.append({
                    "file": file, "n_fakes": int(forged), "fake_periods": [[0.8, 1.8]] if forged else [],
                    "duration": SECONDS, "original": f"{split}/{2 * person:06d}.mp4" if forged else None,
                    "modify_video": forged, "modify_audio": forged, "split": split, "video_frames": 60,
                    "audio_channels": 1, "audio_frames": round(SECONDS * RATE_HZ),
                })  # fmt: skip
    (root / "metadata.json").write_text(json.dumps(entries), encoding="utf-8")
    return root
