# SPDX-License-Identifier: Apache-2.0
"""Label lips in training shards with MediaPipe's face mesh, the teacher of the lip encoder.

Run it in an environment of its own (MediaPipe pins an old numpy, and is no dependency of ours)::

    python -m venv teacher && teacher/bin/pip install -e . mediapipe==0.10.21
    teacher/bin/python tools/data/label_lips.py SHARDS... -o lips/

One ``.npz`` a shard: for each clip an array float16 (slots, 46, 2), x and y in the stored 192 px crop, NaN where the
teacher saw no face. Shards that have their file already are skipped, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cad.command import run_command
from cad.data.records import STORED_CROP_SIZE_PX
from cad.data.shards import ClipStore
from cad.whole_files import written_beside

#: Outer and inner contour of the lips, then the chin: indices into MediaPipe's 468-point mesh.
LIP_POINTS = [
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    152, 148, 377, 176, 400, 1,
]  # fmt: skip
_SEEN_PX = 256  # the teacher sees small faces better when they are enlarged


def lips_of(frames: np.ndarray) -> np.ndarray:
    """Return float16 (slots, 46, 2) for uint8 (slots, 192, 192, 3)."""
    import mediapipe

    found = np.full((len(frames), len(LIP_POINTS), 2), np.nan, np.float32)
    with mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, min_detection_confidence=0.3) as mesh:
        for slot, frame in enumerate(frames):
            if not frame.any():
                continue
            faces = mesh.process(cv2.resize(frame, (_SEEN_PX, _SEEN_PX))).multi_face_landmarks
            if faces:
                points = faces[0].landmark
                found[slot] = [(points[index].x, points[index].y) for index in LIP_POINTS]
    return (found * STORED_CROP_SIZE_PX).astype(np.float16)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+", type=Path, help="tar files written by tools/data/make_shards.py")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the labels")
    return run_command(lambda: label(parser.parse_args(words)), "label_lips")


def label(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    for shard in options.shards:
        target = options.out / f"{shard.stem}.npz"
        if not target.exists():
            store = ClipStore(shard)
            clips = {entry.key: lips_of(store.read(entry.key).frames) for entry in store if entry.has_frames}
            with written_beside(target) as part, part.open("wb") as file:
                np.savez(file, **clips)
            print(f"{shard.name}: {len(clips)} clips", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
