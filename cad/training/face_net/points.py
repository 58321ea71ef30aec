# SPDX-License-Identifier: Apache-2.0
"""The second look for the training of face nets: its net, its loss, and the crops that it learns from.

The net gives five points, a box and a score for one roughly aligned face. The points are the means of five maps
(integral regression; Sun et al., arXiv 1711.08229): this needs far fewer pictures than a fully connected head, and the
points move with the face by construction.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cad.faces.align import align_face, canonical_points, similarity
from cad.faces.net import FaceNet
from cad.faces.points import REFINE_MARGIN_PX, REFINE_PX
from cad.faces.records import MIRRORED_POINTS
from cad.training.face_net.net import MEAN, SPREAD, Separable, cell_places, convolution, stage
from cad.training.face_net.pictures import Labelled, overlap
from cad.training.face_net.scenes import SceneMaker, random_cut
from cad.training.face_net.teacher import Floats, Picture

#: A picture and the five points (5, 2) of what was taken for a face in it.
Sighting = tuple[Picture, Floats]
#: Crop, points (5, 2), box (4,), and 1 for a face.
Crop = tuple[Picture, Floats, Floats, np.float32]

MINE_SCORE = 0.15
CROPS_A_BATCH = 64
#: Points, box and class of a crop that shows no face.
_NO_FACE = np.zeros((5, 2), np.float32), np.zeros(4, np.float32), np.float32(0)
_STRIDE = 4


class PointNet(nn.Module):
    """uint8 crops (batch, REFINE_PX, REFINE_PX, 3) in; points (batch, 5, 2), boxes (batch, 4), scores (batch,) out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, 3, 2), nn.ReLU())
        self.stage4 = stage(16, 32, 1)
        self.stage8 = stage(32, 64, 2)
        self.stage16 = stage(64, 96, 2)
        self.up8 = convolution(96, 64, 1)
        self.smooth8 = Separable(64, 64)
        self.up4 = convolution(64, 32, 1)
        self.smooth4 = Separable(32, 32)
        self.maps = nn.Conv2d(32, 5, 3, 1, 1)
        self.whole = nn.Sequential(nn.Linear(96 + 64, 48), nn.ReLU(), nn.Linear(48, 5))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return points, boxes and scores, see the class."""
        points, boxes, logits = self.raw(crops)
        return points, boxes, torch.sigmoid(logits)

    def raw(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return points, boxes and score logits."""
        x = (crops.permute(0, 3, 1, 2).float() - MEAN) / SPREAD
        four = self.stage4(self.stem(x))
        eight = self.stage8(four)
        sixteen = self.stage16(eight)
        y8 = functional.relu(eight + functional.interpolate(self.up8(sixteen), size=eight.shape[-2:], mode="nearest"))
        y8 = self.smooth8(y8)
        y4 = functional.relu(four + functional.interpolate(self.up4(y8), size=four.shape[-2:], mode="nearest"))
        points = self._means(self.maps(self.smooth4(y4)))
        whole = self.whole(torch.cat([sixteen.mean(dim=(2, 3)), y8.mean(dim=(2, 3))], dim=1))
        centre, spread = points.mean(dim=1), REFINE_PX / 2
        half = torch.exp(whole[:, 3:5].clamp(-2, 2)) * (spread / 2)
        middle = centre + whole[:, 1:3] * spread
        return points, torch.cat([middle - half, middle + half], dim=1), whole[:, 0]

    @staticmethod
    def _means(maps: Tensor) -> Tensor:
        weights = torch.softmax(maps.flatten(2), dim=-1)
        x, y = cell_places(maps, _STRIDE).unbind(dim=-1)
        return torch.stack([(weights * x).sum(dim=-1), (weights * y).sum(dim=-1)], dim=-1)


def point_loss(
    outputs: tuple[Tensor, Tensor, Tensor], points: Tensor, boxes: Tensor, is_face: Tensor
) -> dict[str, Tensor]:
    """Return the parts of the loss; points and boxes count where ``is_face`` (batch,) is 1."""
    found, found_boxes, logits = outputs
    place = canonical_points(REFINE_PX, REFINE_MARGIN_PX)
    eyes = float(place[1, 0] - place[0, 0])
    known = is_face > 0.5
    miss = (found[known] - points[known]) / eyes
    box = (found_boxes[known] - boxes[known]) / eyes
    return {
        "score": 0.3 * functional.binary_cross_entropy_with_logits(logits, is_face),
        "box": 0.3 * functional.smooth_l1_loss(box, torch.zeros_like(box), beta=0.1),
        "point": 10 * functional.smooth_l1_loss(miss, torch.zeros_like(miss), beta=0.02),
    }


def false_sightings(pictures: list[Labelled], search: FaceNet) -> list[Sighting]:
    """Return what the search takes for a face at MINE_SCORE though it is none, such as hands, ears and letters."""
    found = []
    for one in pictures:
        known = np.concatenate([one.faces[:, :4], one.unsure])
        seen = search.detect(one.picture[None], MINE_SCORE)[0]
        for box, points in zip(seen.boxes_px, seen.points_px, strict=True):
            inside = ((known[:, :2] < (box[:2] + box[2:]) / 2) & ((box[:2] + box[2:]) / 2 < known[:, 2:])).all(axis=1)
            if overlap(box, known).max() < 0.05 and not inside.any():
                found.append((one.picture, points))
    return found


def patches_around(pictures: list[Labelled], sightings: list[Sighting]) -> list[Picture]:
    """Return the surroundings of false sightings that touch no face, as pictures without one."""
    boxes = {id(one.picture): np.concatenate([one.faces[:, :4], one.unsure]) for one in pictures}
    patches = []
    for picture, points in sightings:
        centre, reach = points.mean(axis=0), 1.3 * np.ptp(points, axis=0).max()
        low = np.clip(centre - reach, 0, None)
        high = np.minimum(centre + reach, np.array(picture.shape[1::-1]))
        known = boxes[id(picture)]
        touching = (np.minimum(known[:, 2:], high) > np.maximum(known[:, :2], low)).all(axis=1)
        patch = picture[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])]
        if not touching.any() and patch.size and min(patch.shape[:2]) >= 16:
            patches.append(patch)
    return patches


class CropMaker:
    """Makes roughly aligned crops of faces, and crops of other things, without end.

    Args:
        pictures: Labelled faces.
        empty: Pictures without a face.
        hard: What was taken for a face and is none; see false_sightings.
        rng: Source of every choice.
    """

    def __init__(
        self, pictures: list[Labelled], empty: list[Picture], hard: list[Sighting], rng: np.random.Generator
    ) -> None:
        self._scenes = SceneMaker(pictures, empty, rng)
        self._empty, self._hard, self._rng = empty, hard, rng

    def batch(self) -> tuple[NDArray[np.generic], ...]:
        """Return the columns of CROPS_A_BATCH crops, each stacked along a first axis."""
        return tuple(np.stack(column) for column in zip(*(self._one() for _ in range(CROPS_A_BATCH)), strict=True))

    def _one(self) -> Crop:
        kind = self._rng.random()
        return self._nothing() if kind < 0.25 else self._face(far=kind < 0.3)

    def _nothing(self) -> Crop:
        rng = self._rng
        if self._hard and rng.random() < 0.7:
            picture, points = self._hard[int(rng.integers(len(self._hard)))]
            if rng.random() < 0.5:
                picture, points = _mirrored(picture, points)
            box = np.concatenate([points.min(axis=0), points.max(axis=0)])
            crop = align_face(picture, self._guess(points, box, far=False), REFINE_PX, REFINE_MARGIN_PX)
        elif rng.random() < 0.5:
            crop = self._scenes.background(REFINE_PX, REFINE_PX)
        else:
            crop = random_cut(rng, self._empty[int(rng.integers(len(self._empty)))], REFINE_PX, REFINE_PX)
        return self._spoiled(crop), *_NO_FACE

    def _spoiled(self, crop: Picture) -> Picture:
        # Half of the crops stay as they are: most faces are neither dark nor blurred, and they teach exactness.
        return self._scenes.spoil(self._covered(self._coarser(crop))) if self._rng.random() < 0.5 else crop

    def _face(self, far: bool) -> Crop:
        """Return a face about where it is expected; ``far`` from there, it must not be taken for one."""
        rng, one = self._rng, self._scenes.draw()
        face = one.faces[int(rng.integers(len(one.faces)))]
        picture, points, box = one.picture, face[4:].reshape(5, 2), face[:4]
        if rng.random() < 0.5:
            picture, points = _mirrored(picture, points)
            box = box.copy()
            box[[0, 2]] = picture.shape[1] - 1 - box[[2, 0]]
        guess = self._guess(points, box, far)
        crop = self._spoiled(align_face(picture, guess, REFINE_PX, REFINE_MARGIN_PX))
        if far:
            return crop, *_NO_FACE
        into = similarity(guess, canonical_points(REFINE_PX, REFINE_MARGIN_PX))
        inside = (points @ into[:, :2].T + into[:, 2]).astype(np.float32)
        centre = into[:, :2] @ ((box[:2] + box[2:]) / 2) + into[:, 2]
        half = (box[2:] - box[:2]) / 2 * float(np.hypot(into[0, 0], into[1, 0]))
        return crop, inside, np.concatenate([centre - half, centre + half]).astype(np.float32), np.float32(1)

    def _guess(self, points: Floats, box: Floats, far: bool) -> Floats:
        rng = self._rng
        side = float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
        centre = points.mean(axis=0)
        # As a coarse search, or the frame before, would say it: the standard face, a little moved, turned and scaled.
        fit = similarity(canonical_points(), points)
        plain = canonical_points() @ fit[:, :2].T + fit[:, 2]
        turn = np.deg2rad(rng.normal(0, 9) if rng.random() < 0.85 else rng.uniform(-40, 40))
        scale = float(np.exp(rng.normal(0, 0.13)))
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = rng.normal(0, 0.07, 2) * side
        if far:
            angle = rng.uniform(0, 2 * np.pi)
            shift = rng.uniform(0.9, 1.5) * side * np.array([np.cos(angle), np.sin(angle)])
            matrix = matrix * float(np.exp(rng.uniform(-0.7, 0.7)))
        return np.asarray((plain - centre) @ matrix.T + centre + shift, np.float32)

    def _coarser(self, crop: Picture) -> Picture:
        # Small faces have few pixels, and so do crops of them.
        if self._rng.random() > 0.35:
            return crop
        size = max(12, int(REFINE_PX * self._rng.uniform(0.15, 0.8)))
        small = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (REFINE_PX, REFINE_PX), interpolation=cv2.INTER_LINEAR), np.uint8)

    def _covered(self, crop: Picture) -> Picture:
        rng = self._rng
        if rng.random() > 0.12:
            return crop
        size = rng.uniform(0.1, 0.35, 2) * REFINE_PX
        at = rng.uniform(0.2, 0.8, 2) * REFINE_PX
        colour = crop.reshape(-1, 3).mean(axis=0) if rng.random() < 0.5 else rng.integers(0, 256, 3)
        corners = cv2.boxPoints((tuple(at), tuple(size), rng.uniform(0, 180))).astype(np.int32)
        crop = crop.copy()
        cv2.fillPoly(crop, [corners], tuple(int(v) for v in colour))
        return crop


def _mirrored(picture: Picture, points: Floats) -> Sighting:
    points = points[list(MIRRORED_POINTS)]
    points[:, 0] = picture.shape[1] - 1 - points[:, 0]
    return np.ascontiguousarray(picture[:, ::-1]), points
