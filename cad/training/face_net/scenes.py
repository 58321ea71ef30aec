# SPDX-License-Identifier: Apache-2.0
"""``SceneMaker`` composes scenes for the face nets: faces on other backgrounds, turned, dimmed, blurred and covered.

All numbers here are our choices; the bars that they serve are in the model card.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.records import MIRRORED_POINTS
from cad.training.face_net.pictures import Labelled, overlap
from cad.training.face_net.teacher import Floats, Picture, reduced

#: Width, height and scenes of a batch; each is about equal work.
SHAPES = ((320, 192, 8), (224, 160, 14), (192, 192, 14), (160, 224, 14), (128, 128, 30), (320, 320, 5))
SMALLEST_PX, LARGEST_PX = 13.0, 240.0
#: Faces whose mean side is smaller than this are neither taught nor punished.
TAUGHT_PX = 11.0


@dataclass(slots=True)
class Scene:
    """A made picture and its labels, as in ``Labelled``."""

    picture: Picture
    faces: Floats
    unsure: Floats


class SceneMaker:
    """Makes scenes without end.

    Args:
        pictures: Labelled faces.
        empty: Pictures without a face.
        rng: Source of every choice.
    """

    def __init__(self, pictures: list[Labelled], empty: list[Picture], rng: np.random.Generator) -> None:
        self._pictures, self._empty, self._rng = pictures, empty, rng
        counts = Counter(one.identity for one in pictures)
        # The root evens people out without letting a person of one clip stand for all.
        weights = np.array([counts[one.identity] ** -0.5 for one in pictures])
        self._share = np.cumsum(weights / weights.sum())

    def batch(self) -> tuple[NDArray[np.uint8], list[Floats], list[Floats]]:
        """Return pictures (scenes, height, width, 3), faces and unsure boxes of scenes of one size."""
        width, height, count = SHAPES[int(self._rng.integers(len(SHAPES)))]
        scenes = [self.make(width, height) for _ in range(count)]
        pictures = np.stack([scene.picture for scene in scenes])
        return pictures, [scene.faces for scene in scenes], [scene.unsure for scene in scenes]

    def make(self, width: int, height: int) -> Scene:
        """Return the next scene of this size in pixels."""
        rng = self._rng
        scene = Scene(self.background(width, height), np.zeros((0, 14), np.float32), np.zeros((0, 4), np.float32))
        kind = rng.random()
        if kind < 0.45:
            self._paste(scene, self._size(24.0, LARGEST_PX), whole=True)
        elif kind < 0.88:
            for _ in range(int(rng.integers(1, 8))):
                if rng.random() < 0.25:
                    self._decoy(scene)
                else:
                    self._paste(scene, self._size(SMALLEST_PX, 150.0), whole=rng.random() < 0.3)
        elif rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 4))):
                self._decoy(scene)
        scene.picture = self.spoil(self._cover(scene))
        return self._labelled(scene)

    def _size(self, low: float, high: float) -> float:
        return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))

    def background(self, width: int, height: int) -> Picture:
        """Return a picture without a face."""
        rng, kind = self._rng, self._rng.random()
        if kind < 0.30:
            return _plain_or_gradient(rng, width, height)
        if kind < 0.40:
            return _noise(rng, width, height)
        if kind < 0.62:
            return self._erased(width, height)
        return random_cut(rng, self._an_empty(), width, height)

    def draw(self) -> Labelled:
        """Return a labelled picture; people with many pictures are held back."""
        return self._pictures[min(int(np.searchsorted(self._share, self._rng.random())), len(self._pictures) - 1)]

    def _an_empty(self) -> Picture:
        return self._empty[int(self._rng.integers(len(self._empty)))]

    def _erased(self, width: int, height: int) -> Picture:
        """Return a picture with its faces painted over: hair, necks and shoulders are no face."""
        rng, one = self._rng, self.draw()
        picture = one.picture.copy()
        for box in np.concatenate([one.faces[:, :4], one.unsure[:, :4]]):
            w, h = box[2:] - box[:2]
            x0, y0 = np.maximum((box[:2] - 0.1 * np.array([w, h])).astype(int), 0)
            x1, y1 = (box[2:] + 0.1 * np.array([w, h])).astype(int)
            part = picture[y0:y1, x0:x1]
            if part.size:
                filling = random_cut(rng, self._an_empty(), part.shape[1], part.shape[0])
                picture[y0:y1, x0:x1] = part.mean(axis=(0, 1)) if rng.random() < 0.4 else filling
        return random_cut(rng, picture, width, height, least=0.6)

    def _paste(self, scene: Scene, size: float, whole: bool) -> None:
        """Put one person into the scene, unless this would cover a face that is there already."""
        rng, one = self._rng, self.draw()
        main = one.faces[int(rng.integers(len(one.faces)))]
        side = float(np.sqrt((main[2] - main[0]) * (main[3] - main[1])))
        scale = min(size / side, 2.5)
        height, width = scene.picture.shape[:2]
        matrix = self._matrix(main, scale, width, height)
        reach = None if whole else float(rng.uniform(0.75, 1.6)) * side
        faces, unsure = _kept(one, main, reach)
        points = (faces[:, 4:].reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]).reshape(-1, 5, 2)
        if np.linalg.det(matrix[:, :2]) < 0:
            points = points[:, MIRRORED_POINTS]
        faces = np.concatenate([_moved_boxes(faces[:, :4], matrix), points.reshape(-1, 10)], axis=1)
        mask = _warped_mask(one, main, reach, bool(rng.random() < 0.5), matrix, width, height)
        hidden = (mask[_cut(box, width, height)] for box in scene.faces)
        if any(part.size and part.mean() > 0.05 for part in hidden):
            return
        picture = one.picture if scale >= 0.7 else cv2.GaussianBlur(one.picture, (0, 0), 0.4 / scale)
        warped = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR)
        alpha = mask[..., None]
        scene.picture = (warped * alpha + scene.picture * (1 - alpha)).astype(np.uint8)
        scene.faces = np.concatenate([scene.faces, faces]).astype(np.float32)
        scene.unsure = np.concatenate([scene.unsure, _moved_boxes(unsure, matrix)]).astype(np.float32)

    def _decoy(self, scene: Scene) -> None:
        """Paste something that is no face with the same kind of edge, so that an edge tells nothing."""
        rng = self._rng
        height, width = scene.picture.shape[:2]
        side = int(min(self._size(20, 160), width / 2, height / 2))
        tall = int(min(side * 1.3, height / 1.5))
        x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - tall))
        box = np.array([x, y, x + side, y + tall], np.float32)
        if len(scene.faces) and (overlap(box, scene.faces[:, :4]) > 0.0).any():
            return
        part = random_cut(rng, self._an_empty(), side, tall)
        mask = np.zeros((tall, side, 1), np.uint8)
        cv2.ellipse(mask, (side // 2, tall // 2), (side // 2, tall // 2), 0, 0, 360, 1, -1)
        mask = mask if rng.random() < 0.5 else np.ones_like(mask)
        place = scene.picture[y : y + tall, x : x + side]
        scene.picture[y : y + tall, x : x + side] = np.where(mask > 0, part, place)

    def _matrix(self, face: Floats, scale: float, width: int, height: int) -> Floats:
        rng = self._rng
        degrees = rng.normal(0, 10) if rng.random() < 0.85 else rng.uniform(-50, 50)
        turn = np.deg2rad(degrees)
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        linear = linear @ np.diag([rng.choice([-1.0, 1.0]), float(np.exp(rng.normal(0, 0.05)))])
        centre = (face[:2] + face[2:4]) / 2
        room = min(0.42 * scale * float(face[2] - face[0]), width / 2.2, height / 2.2)
        target = np.array([rng.uniform(room, width - room), rng.uniform(room, height - room)])
        return np.column_stack([linear, target - linear @ centre])

    def _cover(self, scene: Scene) -> Picture:
        """Return the picture with a block over part of some faces, like a hand, a microphone or a subtitle."""
        rng, picture = self._rng, scene.picture
        for face in scene.faces:
            if rng.random() > 0.12:
                continue
            w, h = face[2:4] - face[:2]
            bw, bh = rng.uniform(0.25, 0.8) * w, rng.uniform(0.15, 0.5) * h
            x = rng.uniform(face[0] - bw / 2, face[2] - bw / 2)
            y = rng.uniform(face[1] - bh / 2, face[3] - bh / 2)
            angle, colour = rng.uniform(0, 180), tuple(int(v) for v in rng.integers(0, 256, 3))
            if rng.random() < 0.5:  # skin-like: the face's own mean colour
                own = picture[_cut(face, picture.shape[1], picture.shape[0])]
                colour = tuple(int(v) for v in own.reshape(-1, 3).mean(axis=0)) if own.size else colour
            corners = cv2.boxPoints(((x + bw / 2, y + bh / 2), (bw, bh), angle)).astype(np.int32)
            picture = np.ascontiguousarray(picture)
            cv2.fillPoly(picture, [corners], colour)
        return picture

    def spoil(self, picture: Picture) -> Picture:
        """Return the picture darker, blurred, smaller, noisier or compressed, each at random."""
        rng = self._rng
        if rng.random() < 0.7:
            gain = rng.uniform(0.55, 1.45) if rng.random() < 0.75 else rng.uniform(0.12, 0.5)
            curve = 255 * np.clip(gain * (np.arange(256) / 255.0) ** np.exp(rng.normal(0, 0.25)), 0, 1)
            picture = np.asarray(cv2.LUT(picture, curve.astype(np.uint8)), np.uint8)
        if rng.random() < 0.4:
            picture = np.clip(picture * rng.uniform(0.8, 1.2, 3) + rng.uniform(-12, 12, 3), 0, 255).astype(np.uint8)
        if rng.random() < 0.12:
            picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        if rng.random() < 0.25:
            picture = _blurred(rng, picture)
        if rng.random() < 0.2:
            factor = rng.uniform(0.4, 0.9)
            small, size = reduced(picture, factor), (picture.shape[1], picture.shape[0])
            picture = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        if rng.random() < 0.2:
            grain = rng.normal(0, rng.uniform(2, 14), picture.shape[:2]).astype(np.float32)
            picture = np.clip(picture + grain[..., None], 0, 255).astype(np.uint8)
        if rng.random() < 0.3:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))]
            picture = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(picture)

    @staticmethod
    def _labelled(scene: Scene) -> Scene:
        """Set aside faces that are too small or mostly outside."""
        height, width = scene.picture.shape[:2]
        low = np.clip(scene.faces[:, :2], 0, [width, height])
        high = np.clip(scene.faces[:, 2:4], 0, [width, height])
        area = (scene.faces[:, 2:4] - scene.faces[:, :2]).prod(axis=1)
        seen = (high - low).prod(axis=1) / np.maximum(area, 1e-6)
        good = (seen > 0.55) & (np.sqrt(area) >= TAUGHT_PX)
        scene.unsure = np.concatenate([scene.unsure, scene.faces[~good, :4]])
        scene.faces = scene.faces[good]
        return scene


def _kept(one: Labelled, main: Floats, reach: float | None) -> tuple[Floats, Floats]:
    """Return the faces that come along and the boxes of what may be half of one."""
    if reach is None:
        return one.faces, one.unsure
    centre = (main[:2] + main[2:4]) / 2
    same = overlap(main, one.faces) > 0.99
    near = np.abs((one.faces[:, :2] + one.faces[:, 2:4]) / 2 - centre).max(axis=1) < reach + (main[2] - main[0])
    return one.faces[same], np.concatenate([one.unsure, one.faces[near & ~same, :4]])


def _warped_mask(
    one: Labelled, main: Floats, reach: float | None, oval: bool, matrix: Floats, width: int, height: int
) -> Floats:
    """Return where the pasted part is seen, 0 to 1, with a soft edge when it is cut out of its picture."""
    mask = np.full(one.picture.shape[:2], reach is None, np.float32)
    if reach is not None:
        x, y = (main[:2] + main[2:4]) / 2
        tall = reach * float(main[3] - main[1]) / float(np.sqrt((main[2] - main[0]) * (main[3] - main[1])))
        if oval:
            cv2.ellipse(mask, (int(x), int(y)), (int(reach), int(tall)), 0, 0, 360, 1.0, -1)
        else:
            cv2.rectangle(mask, (int(x - reach), int(y - tall)), (int(x + reach), int(y + tall)), 1.0, -1)
    return np.asarray(cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _moved_boxes(boxes: Floats, matrix: Floats) -> Floats:
    """Return moved boxes; a turned face keeps a box of its own proportions, not the hull of the turned box."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    upright = np.square(matrix[:, 1] / np.linalg.norm(matrix[:, 1]))[1]
    sides = (boxes[:, 2:4] - boxes[:, :2]) * scale
    sides = upright * sides + (1 - upright) * sides[:, ::-1]
    return np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)


def _cut(box: Floats, width: int, height: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = np.clip(box[:4], 0, [width, height, width, height]).astype(int)
    return slice(y0, max(y1, y0)), slice(x0, max(x1, x0))


def random_cut(rng: np.random.Generator, picture: Picture, width: int, height: int, least: float = 0.25) -> Picture:
    """Return a random part of ``picture`` at the size asked for, mirrored every other time."""
    share = rng.uniform(least, 1.0)
    h, w = max(8, int(picture.shape[0] * share)), max(8, int(picture.shape[1] * share))
    y, x = int(rng.integers(0, picture.shape[0] - h + 1)), int(rng.integers(0, picture.shape[1] - w + 1))
    part = cv2.resize(picture[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def _plain_or_gradient(rng: np.random.Generator, width: int, height: int) -> Picture:
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.float32)
    if rng.random() < 0.5:
        corners = corners[0, 0] + rng.normal(0, 12, (2, 2, 3)).astype(np.float32)
    smooth = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, width: int, height: int) -> Picture:
    total = np.full((height, width, 3), rng.integers(0, 256, 3), np.float32)
    for cells in (4, 12, 40):
        patch = rng.normal(0, rng.uniform(5, 45), (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(patch, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 8))):
        x, y, r = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(3, 60))
        cv2.ellipse(total, (x, y), (r, int(r * rng.uniform(0.4, 1.6))), 0, 0, 360, rng.integers(0, 256, 3).tolist(), -1)
    return np.clip(total, 0, 255).astype(np.uint8)


def _blurred(rng: np.random.Generator, picture: Picture) -> Picture:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 2.0))), np.uint8)
    n = int(rng.integers(3, 9))
    line = np.zeros((n, n), np.float32)
    line[n // 2] = 1
    turn = cv2.getRotationMatrix2D((n / 2 - 0.5, n / 2 - 0.5), float(rng.uniform(0, 180)), 1.0)
    kernel = np.asarray(cv2.warpAffine(line, turn, (n, n)), np.float32)
    return np.asarray(cv2.filter2D(picture, -1, kernel / max(float(kernel.sum()), 1e-6)), np.uint8)
