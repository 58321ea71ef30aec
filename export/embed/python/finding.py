# SPDX-License-Identifier: Apache-2.0
"""Faces of one picture by the graphs of the kit: find new ones, look where one is expected, cut them out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from kit import Kit
from track import Face, is_one_face

#: A depth of the search that leaves no size out.
EVERY_SIZE = 16


class Finder:
    """Finds the faces of pictures.

    Args:
        kit: With the graphs.
    """

    def __init__(self, kit: Kit) -> None:
        self.kit, self.rules = kit, kit.rules

    def find(self, picture: np.ndarray, depth: int, known: list[Face]) -> list[Face]:
        """Return the new faces of a picture, largest first, searched from coarse to fine."""
        longest, found = max(picture.shape[:2]), []
        sides = self.rules.finder.long_sides_px[:depth]
        # No reduction twice: a picture smaller than a side is searched as it is, once.
        for side in [side for index, side in enumerate(sides) if index == 0 or sides[index - 1] < longest]:
            found += [face for face in self._found(picture, side) if not is_among(face, [*known, *found], self.rules)]
            scale = min(1.0, side / longest)
            if depth < EVERY_SIZE and any(
                face.height * scale >= self.rules.finder.small_face_px for face in [*known, *found]
            ):
                break
        if not found and not known:  # a face that fills the picture is seen whole only with room around it
            margin = round(self.rules.finder.margin * longest)
            wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)))
            found = [
                Face(face.box - np.float32(margin), face.points - np.float32(margin), face.score)
                for face in self._found(wide, self.rules.finder.filling_side_px)
            ]
        return sorted(found, key=lambda face: face.height, reverse=True)

    def _found(self, picture: np.ndarray, side: int) -> list[Face]:
        boxes, points, scores = self.kit.run("face_find", picture=picture, long_side=np.array(side, np.int64))
        return [Face(*one) for one in zip(boxes, points, scores.tolist(), strict=True)]

    def look(self, picture: np.ndarray, expected: list[np.ndarray]) -> list[Face | None]:
        """Return for each place where a face is expected the face there, or None."""
        if not expected:
            return []
        points, boxes, scores = self.kit.run("face_look", picture=picture, points=np.stack(expected))
        faces = [Face(*one) for one in zip(boxes, points, scores.tolist(), strict=True)]
        return [
            face if face.score >= self.rules.shot.known_score and _is_a_shape(face.points) else None for face in faces
        ]

    def crops(self, picture: np.ndarray, faces: list[Face]) -> np.ndarray:
        """Return the crops of faces, uint8 (faces, 160, 160, 3)."""
        points = np.stack([face.points for face in faces]).astype(np.float32)
        return self.kit.run("face_crop", picture=picture, points=points)[0]

    def appearance(self, picture: np.ndarray, face: Face) -> np.ndarray:
        """Return a face as a small grey picture, by which it is known again: 20 x 20, each the mean of 8 x 8 pixels."""
        (crop,) = self.crops(picture, [face])
        return (crop @ np.float32([0.299, 0.587, 0.114])).reshape(20, 8, 20, 8).mean(axis=(1, 3))


def is_among(face: Face, others: list[Face], rules: SimpleNamespace) -> bool:
    """Say whether a face of a picture is one of others."""
    return any(is_one_face(face, other, rules) for other in others)


def _is_a_shape(points: np.ndarray) -> bool:
    return bool(np.isfinite(points).all() and np.ptp(points, axis=0).max() > 1)
