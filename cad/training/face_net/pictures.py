# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures of clips, and pictures without a face, for the training and the measuring of face nets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.overlap import overlaps
from cad.training.face_net.teacher import LABELLED_SLOT_STEP, Floats, Picture, key_frames, labels_path, reduced

#: Pictures that come with scikit-image and scikit-learn and show no face; the held ones are for judging only.
TAUGHT_SAMPLES = (
    "coffee.png", "chelsea.png", "brick.png", "grass.png", "gravel.png", "coins.png", "page.png", "text.png",
    "cell.png", "motorcycle_left.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "rocket.jpg",
)  # fmt: skip
HELD_SAMPLES = ("china.jpg", "flower.jpg", "retina.jpg", "horse.png", "color.png", "chessboard_RGB.png")
SURE_ALONE = 0.98


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled picture.

    Attributes:
        picture: uint8 (height, width, 3) RGB.
        faces: (faces, 14) in pixels: box 4, points 10.
        unsure: (boxes, 4) of what may be a face.
        identity: Who it shows.
        clip: Its name.
        slot: Of the 25 Hz grid.
    """

    picture: Picture
    faces: Floats
    unsure: Floats
    identity: str
    clip: str
    slot: int


@dataclass(frozen=True, slots=True)
class ClipLabels:
    """The teacher's labels of one clip, without faces that it saw in one frame only; arrays as in ``Labelled``.

    Attributes:
        path: The clip.
        identity: Who it shows.
        slots: (labelled slots,).
        face_slot: (faces,) slot of each of ``faces``.
        faces: Of all slots.
        unsure_slot: (boxes,) slot of each of ``unsure``.
        unsure: Of all slots.
    """

    path: Path
    identity: str
    slots: NDArray[np.int32]
    face_slot: NDArray[np.int32]
    faces: Floats
    unsure_slot: NDArray[np.int32]
    unsure: Floats

    def at(self, slot: int) -> tuple[Floats, Floats]:
        """Return faces and unsure boxes of one slot."""
        return self.faces[self.face_slot == slot], self.unsure[self.unsure_slot == slot]


def read_labels(manifest: Path, labels: Path, split: str) -> list[ClipLabels]:
    """Return the labels of the manifest's ``av`` rows of ``split`` that the teacher has seen."""
    with manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith("av/") and row["split"] == split]
    found = []
    for row in rows:
        path = manifest.parent / row["path"]
        stored = labels_path(labels, path)
        if not stored.is_file():
            continue
        with np.load(stored) as z:
            faces = np.concatenate([z["face_box"], z["face_points"].reshape(-1, 10)], axis=1).astype(np.float32)
            slot, score = z["face_slot"], z["face_score"]
            sure = np.array([_lasting(i, slot, faces, score) for i in range(len(slot))], dtype=bool)
            weak_slot = np.concatenate([z["weak_slot"], slot[~sure]])
            weak_box = np.concatenate([z["weak_box"].reshape(-1, 4), faces[~sure, :4]])
            found.append(ClipLabels(path, row["identity"], z["slots"], slot[sure], faces[sure], weak_slot, weak_box))
    return found


def _lasting(index: int, slot: NDArray[np.int32], faces: Floats, score: Floats) -> bool:
    """Return whether a face is seen again at a neighbouring labelled slot or, where there is none, is very sure."""
    neighbours = np.abs(slot - slot[index]) == LABELLED_SLOT_STEP
    if not neighbours.any():
        return bool(score[index] >= SURE_ALONE)
    return bool((overlap(faces[index, :4], faces[neighbours, :4]) > 0.2).any())


def overlap(box: Floats, boxes: Floats) -> Floats:
    """Return the intersection over union (boxes,) of one box and many."""
    shared: Floats = overlaps(box[None, :4].astype(np.float32), boxes[:, :4].astype(np.float32))[0]
    return shared


def load_pictures(clips: list[ClipLabels], per_clip: int, long_side_px: int, face_px: float) -> list[Labelled]:
    """Decode up to ``per_clip`` labelled slots a clip, reduced to ``long_side_px`` and to faces of ``face_px``."""
    pictures = []
    for clip in clips:
        usable = [int(slot) for slot in clip.slots if len(clip.at(slot)[0])]
        wanted = {usable[round(i)] for i in np.linspace(0, len(usable) - 1, per_clip)} if usable else set()
        for slot, picture in key_frames(clip.path) if wanted else ():
            if slot in wanted:
                faces, unsure = clip.at(slot)
                tallest = float((faces[:, 3] - faces[:, 1]).max())
                scale = min(1.0, long_side_px / max(picture.shape[:2]), face_px / tallest)
                small, name = reduced(picture, scale), clip.path.stem
                pictures.append(Labelled(small, faces * scale, unsure * scale, clip.identity, name, slot))
            if slot >= max(wanted):
                break
    return pictures


def sample_pictures(names: tuple[str, ...]) -> list[Picture]:
    """Return the named pictures that come with scikit-image or scikit-learn, RGB, long side at most 640 px.

    Raises:
        FileNotFoundError: One of them is in neither as installed.
    """
    import skimage
    import sklearn

    folders = [Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"]
    pictures = []
    for name in names:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        picture = None if path is None else cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise FileNotFoundError(f"{name} is in neither scikit-image nor scikit-learn as installed")
        small = reduced(np.asarray(picture, np.uint8), 640 / max(picture.shape[:2]))
        pictures.append(np.ascontiguousarray(small[..., ::-1]))
    return pictures


def faceless_regions(labelled: Labelled, least_px: int = 48) -> list[Picture]:
    """Return the parts of a picture left of, right of, above and below all of its faces, with room to spare."""
    height, width = labelled.picture.shape[:2]
    boxes = np.concatenate([labelled.faces[:, :4], labelled.unsure])
    if len(boxes) == 0:
        return []
    room = 0.25 * (boxes[:, 2:] - boxes[:, :2]).max()
    left, top = boxes[:, :2].min(axis=0) - room
    right, bottom = boxes[:, 2:].max(axis=0) + room
    spans = ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height))
    regions = []
    for x0, y0, x1, y1 in spans:
        part = labelled.picture[int(max(y0, 0)) : int(max(y1, 0)), int(max(x0, 0)) : int(max(x1, 0))]
        if min(part.shape[:2]) >= least_px:
            regions.append(part)
    return regions
