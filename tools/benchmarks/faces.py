# SPDX-License-Identifier: Apache-2.0
"""The cost of finding, following and aligning faces, next to decoding the same file (`tools/bench.py faces`).

Both are CPU seconds, so that other work on the machine matters less: decoding as the product decodes (a child process,
its copies included), faces as the product runs them, on one thread. Without --file a 720p H.264 clip is made: a public
domain photograph that sways before a panned, noisy background.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
from benchmarks.decode import timed

from cad.faces.finder import FaceFinder
from cad.faces.tracker import FaceTracker
from cad.media.reader import open_media

ROOT = Path(__file__).resolve().parent.parent.parent
PHOTOGRAPH = ROOT / "tests" / "data" / "astronaut.jpg"
BAR = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, default=None, help="a video of your own")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the clip that is made")
    parser.add_argument("--faces", type=int, default=1, help="how many faces the clip that is made shows")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the measured figures; ``ok`` says whether the bar is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = args.file
        if path is None:
            path = Path(folder) / "sway.mp4"
            make_clip(path, args.seconds, args.faces)
        decode, slots = decoding_seconds(path)
        faces, tracks = face_seconds(path)
    return {
        "slots": slots,
        "decode_ms_per_slot": 1000 * decode / slots,
        "faces_ms_per_slot": 1000 * faces / slots,
        "share_of_decoding": faces / decode,
        "tracks": tracks,
        "bar": BAR,
        "ok": faces <= BAR * decode,
    }


def decoding_seconds(path: Path) -> tuple[float, int]:
    """Return CPU seconds of reading all pictures, in this process and the decoding one, and the number of slots."""

    def read() -> int:
        with open_media(path) as reader:
            return sum(len(chunk.frames) for chunk in reader.video_chunks())

    (_, seconds), slots = timed(read)
    return seconds, slots


def face_seconds(path: Path) -> tuple[float, int]:
    """Return CPU seconds of the tracker on the same pictures (one thread), and the number of tracks."""
    tracker, spent, tracks = FaceTracker(finder=FaceFinder()), 0.0, set()
    with open_media(path) as reader:
        for chunk in reader.video_chunks():
            start = time.thread_time()
            found = tracker.push(chunk)
            spent += time.thread_time() - start
            tracks |= {crops.track_id for crops in found}
    start = time.thread_time()
    found = tracker.flush()
    spent += time.thread_time() - start
    return spent, len(tracks | {crops.track_id for crops in found})


def make_clip(path: Path, seconds: float, faces: int) -> None:
    """Write a 1280x720 H.264 clip at 25 frames a second."""
    rng = np.random.default_rng(7)
    photograph = cv2.imread(str(PHOTOGRAPH))
    person = cv2.resize(photograph, (400, round(400 * photograph.shape[0] / photograph.shape[1])))
    person = person[: min(len(person), 560)]
    texture = cv2.GaussianBlur(rng.integers(0, 256, (800, 2600, 3), dtype=np.uint8), (0, 0), 4)
    texture = cv2.normalize(texture, None, 40, 200, cv2.NORM_MINMAX)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "23", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for i in range(round(25 * seconds)):
            frame = texture[40:760, 2 * i % 1300 :][:, :1280].copy()
            for k in range(faces):
                left = int(np.clip(round((k + 0.5) * 1280 / faces - 200 + 30 * np.sin(i / 9 + k)), 0, 880))
                frame[100 : 100 + len(person), left : left + 400] = person
            noisy = np.clip(frame + rng.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(noisy, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
