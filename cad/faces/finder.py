# SPDX-License-Identifier: Apache-2.0
"""FaceFinder gives the tracker the faces of one picture.

It searches from coarse to fine and looks at each candidate a second time, upright and at a standard size. The second
look makes the five points as exact for a small or tilted face as for a large upright one, and drops what resembles a
face only from afar. It also finds a face that was known a moment ago again, at a fraction of the cost of a search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cad.faces.align import align_face, canonical_points, similarity
from cad.faces.net import FaceNet
from cad.faces.overlap import SAME_FACE, is_among, keep_best
from cad.faces.points import REFINE_MARGIN_PX, REFINE_PX, PointNet
from cad.faces.records import FaceDetection, rescaled

#: At most this many faces of one picture are followed, the largest: in video, and in a still picture.
MAX_FACES, MAX_STILL_FACES = 16, 32
#: Long sides at which a picture is searched, from cheap to dear; the last is doubled as often as a large picture needs.
LONG_SIDES_PX = (320, 640, 1280)
#: Where no face is found, the picture is searched once more at this long side, with a black margin (a share of the long
#: side) on every side: for a face that fills it.
FILLING_SIDE_PX, MARGIN = 240, 0.25
#: The nets have learnt on pictures with some light: those whose values span fewer levels than this are stretched for
#: them, but for what is as good as one colour.
LEAST_SPAN, FLAT_SPAN = 100, 8
#: A depth of the search that leaves no size out.
EVERY_SIZE = 16
#: Beyond the last of LONG_SIDES_PX, a picture need not be searched at more than this share of its size: there the
#: smallest face that is judged (40 px) has SMALL_FACE_PX.
ENOUGH_SCALE = 0.6
#: Larger pictures than this are searched as what they are at this long side, or in tiles of it.
SEARCHED_PX = 1920
#: At sizes beyond the last of LONG_SIDES_PX a picture is searched in tiles of that side, which share a margin that
#: holds every face for which a smaller size was too coarse.
TILE_OVERLAP_PX = 128
#: If a face is smaller than this at the size at which it was found, still smaller ones may have been missed.
SMALL_FACE_PX = 24.0
#: The search accepts low scores, since the second look decides; only the surest candidates get one.
SEARCH_SCORE = 0.35
MOST_CANDIDATES = 64
#: A look at a place where a face is expected must be this sure,
REFINE_SCORE = 0.5
#: and search and look together this sure of a face that nobody expected. Hands and ears deceive either of the two nets
#: now and then, but seldom both. The model card says what these values find and let through on val frames.
NEW_SCORE = 0.97
#: A face that lies on its side or head is rarer, and there are three more chances to be deceived.
LYING_SCORE = 0.99
#: The points of a new face must stay in place when it is looked at from a little aside; this is how far they may
#: spread, in eye distances. On what is no face they slide along with the crop.
MOST_SPREAD = 0.08
#: The looks from aside: shift x, y in eye distances, scale, turn in radians.
ASIDE = ((0.18, 0.0, 1.1, 0.12), (-0.18, 0.1, 0.93, -0.12), (0.0, -0.18, 1.05, 0.15), (0.0, 0.15, 0.9, -0.15))
#: Places to look at are rounded to this. Each look starts from what the looks before it saw, which lets a difference in
#: the seventh digit, such as another processor makes, grow to a pixel within seconds; rounding ends that.
PLACE_STEP_PX = np.float32(0.25)
#: No picture is searched at fewer pixels a side.
LEAST_SEARCHED_PX = 32
#: Five points that lie closer together than this, from side to side, are no face that could be aligned.
LEAST_EXTENT_PX = 1.0
#: A coarse sighting gets this many looks, each with the points of the one before.
REFINE_ROUNDS = 2


class FaceFinder:
    """Finds faces in a picture.

    Args:
        net: Searches pictures; the packaged one if None.
        point_net: Looks at faces; the packaged one if None.
        check: Called before every look of either net; what it raises comes out of the call.

    Raises:
        WeightsError: As FaceNet.
    """

    def __init__(
        self,
        net: FaceNet | None = None,
        point_net: PointNet | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._net = net or FaceNet()
        self._point_net = point_net or PointNet()
        self._check = check

    @property
    def nets(self) -> dict[str, str]:
        """sha256 by name of the nets that find faces."""
        return {net.entry.name: net.entry.sha256 for net in (self._net, self._point_net)}

    def checked(self, check: Callable[[], None]) -> FaceFinder:
        """Return a finder with the same nets that calls ``check`` before every look, so that it can be stopped."""
        return FaceFinder(self._net, self._point_net, check)

    def find(
        self,
        frame: NDArray[np.uint8],
        depth: int = len(LONG_SIDES_PX),
        known: Sequence[FaceDetection] = (),
        every_size: bool = False,
    ) -> list[FaceDetection]:
        """Return the faces of ``frame`` beside those that are known, largest first.

        Args:
            frame: uint8 (height, width, 3) RGB, upright.
            depth: How many of the sizes of ``scales_of`` may be tried; a larger one is tried when a smaller shows no
                face or only small ones.
            known: Faces of this frame that need not be found again.
            every_size: Try all these sizes, whatever the smaller ones show.

        Returns:
            New faces in the frame's pixels.
        """
        found: list[FaceDetection] = []
        source = _searched(frame)
        for scale in scales_of(frame.shape[1], frame.shape[0], depth):
            fresh = [face for face in self._search(frame, source, scale) if not is_among(face, (*known, *found))]
            found += [face for face in self.confirm(frame, fresh) if not is_among(face, (*known, *found))]
            if not every_size and any(height_of(face) * scale >= SMALL_FACE_PX for face in (*known, *found)):
                break
        if not found and not known:
            found = self._filling(frame, source)
        if not found and not known and every_size:
            found = self._lying(frame, source)
        return sorted(found, key=height_of, reverse=True)

    def _filling(self, frame: NDArray[np.uint8], source: NDArray[np.uint8]) -> list[FaceDetection]:
        """Return the face that fills a picture, which the net sees whole only from afar and with room around it."""
        margin = round(MARGIN * max(source.shape[:2]))
        wide = np.pad(source, ((margin, margin), (margin, margin), (0, 0)))
        seen = self._search(wide, wide, min(1.0, FILLING_SIDE_PX / max(wide.shape[:2])))
        ratio = np.array([frame.shape[1] / source.shape[1], frame.shape[0] / source.shape[0]], dtype=np.float32)
        return self.confirm(frame, [rescaled(shifted(face, -margin), ratio) for face in seen])

    def _lying(self, frame: NDArray[np.uint8], source: NDArray[np.uint8]) -> list[FaceDetection]:
        """Return the faces of a picture that lies on its side or head, as turned phones and cameras leave it."""
        ratio = np.array([frame.shape[1] / source.shape[1], frame.shape[0] / source.shape[0]], dtype=np.float32)
        for quarters in (1, 3, 2):
            upright = np.ascontiguousarray(np.rot90(source, quarters))
            scales = scales_of(source.shape[1], source.shape[0], 2)
            seen = [face for scale in scales for face in self._search(upright, upright, scale)]
            back = (turned_back(face, quarters, source.shape[1], source.shape[0]) for face in seen)
            found = self.confirm(frame, [rescaled(face, ratio) for face in back])
            if found := [face for face in found if face.score >= LYING_SCORE]:
                return found
        return []

    def search(self, frame: NDArray[np.uint8], scale: float) -> list[FaceDetection]:
        """Return what the net sees of the whole picture reduced by ``scale``, without the second look."""
        return self._search(frame, _searched(frame), scale)

    def _search(self, frame: NDArray[np.uint8], source: NDArray[np.uint8], scale: float) -> list[FaceDetection]:
        """Search ``frame``, of which ``source`` is a reduced copy or the same."""
        width, height = (max(LEAST_SEARCHED_PX, round(side * scale)) for side in (frame.shape[1], frame.shape[0]))
        small = source if max(width, height) <= max(source.shape[:2]) else frame
        if (height, width) != small.shape[:2]:
            small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        ratio = np.array([frame.shape[1] / width, frame.shape[0] / height], dtype=np.float32)
        seen: list[FaceDetection] = []
        for left, top, right, bottom in tiles_of(width, height):
            for face in self._seen(np.ascontiguousarray(small[top:bottom, left:right]), left, top):
                seen.append(rescaled(face, ratio))
        seen.sort(key=lambda face: face.score, reverse=True)
        return seen[:MOST_CANDIDATES]

    def _seen(self, picture: NDArray[np.uint8], left: int, top: int) -> list[FaceDetection]:
        """Return what the net sees of a part of a picture that begins at ``left``, ``top``, in the whole's pixels."""
        self._check()
        seen, shift = self._net.detect(picture[None], SEARCH_SCORE)[0], np.array([left, top], dtype=np.float32)
        boxes = (seen.boxes_px.reshape(-1, 2, 2) + shift).reshape(-1, 4)
        return [
            FaceDetection(box, five, float(score))
            for box, five, score in zip(boxes, seen.points_px + shift, seen.scores, strict=True)
            if _is_a_shape(five)
        ]

    def confirm(self, frame: NDArray[np.uint8], found: Sequence[FaceDetection]) -> list[FaceDetection]:
        """Return the faces that a closer look confirms, surest first, with exact points and the score of both."""
        seen = list(found)
        for _ in range(REFINE_ROUNDS):
            looks = self.refine(frame, [face.points_px for face in seen])
            pairs = [(face, look) for face, look in zip(seen, looks, strict=True) if look is not None]
            seen = [replace(look, score=face.score) for face, look in pairs]
        sure = [replace(look, score=together(face.score, look.score)) for face, look in pairs]
        steady = [self._from_aside(frame, face) for face in sure if face.score >= NEW_SCORE]
        kept = sorted((face for face in steady if face is not None), key=lambda face: face.score, reverse=True)
        boxes = np.reshape([face.box_px for face in kept], (-1, 4))
        return [kept[index] for index in keep_best(boxes, SAME_FACE)]

    def _from_aside(self, frame: NDArray[np.uint8], face: FaceDetection) -> FaceDetection | None:
        """Return ``face`` with the mean of its points as seen from ASIDE, or None if they do not stay in place."""
        looks = self.refine(frame, [moved_aside(face.points_px, *way) for way in ASIDE], 0.0)
        seen = np.stack([look.points_px for look in looks if look is not None] or [face.points_px])
        points = seen.mean(axis=0)
        eyes = float(np.linalg.norm(points[1] - points[0]))
        spread = float(np.linalg.norm(seen - points, axis=-1).mean()) / max(eyes, 1e-6)
        steady = len(seen) == len(ASIDE) and spread <= MOST_SPREAD
        return replace(face, points_px=points.astype(np.float32)) if steady else None

    def refine(
        self,
        frame: NDArray[np.uint8],
        expected_points_px: Sequence[NDArray[np.float32]],
        least_score: float = REFINE_SCORE,
    ) -> list[FaceDetection | None]:
        """Look again at places where faces are expected.

        Args:
            frame: uint8 (height, width, 3) RGB.
            expected_points_px: Five points (5, 2) for each place, a moment old or coarse.
            least_score: A face below it counts as not seen.

        Returns:
            For each place the face there, or None.
        """
        if not expected_points_px:
            return []
        places = [np.round(points / PLACE_STEP_PX) * PLACE_STEP_PX for points in expected_points_px]
        patches = np.stack([stretched(align_face(frame, points, REFINE_PX, REFINE_MARGIN_PX)) for points in places])
        self._check()
        seen = self._point_net.refine(patches)
        looks = zip(seen.points_px, seen.boxes_px, seen.scores.tolist(), places, strict=True)
        faces = [_in_frame(*look) for look in looks]
        return [face if face.score >= least_score and _is_a_shape(face.points_px) else None for face in faces]


def moved_aside(
    points: NDArray[np.float32], right: float, down: float, scale: float, turn: float
) -> NDArray[np.float32]:
    """Return five points moved ``right`` and ``down`` (eye distances), scaled and turned (radians)."""
    middle, eyes = points.mean(axis=0), np.linalg.norm(points[1] - points[0])
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray((points - middle) @ matrix.T + middle + eyes * np.array([right, down]), dtype=np.float32)


def shifted(face: FaceDetection, by_px: float) -> FaceDetection:
    """Return a face moved right and down by ``by_px``."""
    return replace(face, box_px=face.box_px + np.float32(by_px), points_px=face.points_px + np.float32(by_px))


def together(score: float, other: float) -> float:
    """Return the score of two independent witnesses: their odds multiply.

    Example:
        >>> round(together(0.8, 0.8), 4), together(0.5, 0.7)
        (0.9412, 0.7)
    """
    both = score * other
    return both / max(both + (1 - score) * (1 - other), 1e-12)


def scales_of(width: int, height: int, depth: int) -> list[float]:
    """Return the reductions at which a picture is searched, none larger than the picture itself.

    Example:
        >>> scales_of(1280, 720, 3), scales_of(500, 400, 3), scales_of(200, 100, 2)
        ([0.25, 0.5, 1.0], [0.64, 1.0], [1.0])
        >>> [round(scale, 2) for scale in scales_of(3840, 2160, EVERY_SIZE)]
        [0.08, 0.17, 0.33, 0.67]
    """
    sides = list(LONG_SIDES_PX)
    while sides[-1] < ENOUGH_SCALE * max(width, height):
        sides.append(2 * sides[-1])
    return sorted({min(1.0, side / max(width, height)) for side in sides[: max(1, depth)]})


def tiles_of(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return the parts (left, top, right, bottom) in which a picture of that size is searched: one if it is small.

    Example:
        >>> tiles_of(1280, 720), tiles_of(2000, 1000)
        ([(0, 0, 1280, 720)], [(0, 0, 1064, 1000), (936, 0, 2000, 1000)])
    """
    return [(x, y, x + across, y + down) for y, down in _spans(height) for x, across in _spans(width)]


def _spans(length: int) -> list[tuple[int, int]]:
    """Return where the tiles along a side begin, and how long they are."""
    side = LONG_SIDES_PX[-1]
    if length <= side:
        return [(0, length)]
    count = math.ceil((length - TILE_OVERLAP_PX) / (side - TILE_OVERLAP_PX))
    side = math.ceil((length + (count - 1) * TILE_OVERLAP_PX) / count)
    return [(round(index * (length - side) / (count - 1)), side) for index in range(count)]


def _searched(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what of a frame is searched: of a larger one a copy at SEARCHED_PX, made once for all sizes below it."""
    share = SEARCHED_PX / max(frame.shape[:2])
    if share < 1:
        size = max(1, round(frame.shape[1] * share)), max(1, round(frame.shape[0] * share))
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return stretched(frame)


def stretched(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, dark or pale, with its values spread over all levels; any other as it is.

    Example:
        >>> stretched(np.uint8([[[10, 20, 30]]])).tolist(), stretched(np.uint8([[[10, 20, 210]]])).tolist()
        ([[[0, 127, 255]]], [[[10, 20, 210]]])
    """
    step = max(1, min(picture.shape[:2]) // 32)
    below = np.bincount(picture[::step, ::step].ravel(), minlength=256).cumsum()
    low, high = (int(np.searchsorted(below, share * below[-1])) for share in (0.01, 0.99))
    if not FLAT_SPAN <= high - low < LEAST_SPAN:
        return picture
    levels = np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, levels), dtype=np.uint8)


def turned_back(face: FaceDetection, quarters: int, width: int, height: int) -> FaceDetection:
    """Return a face of a picture that ``np.rot90`` turned by so many quarters as it lies in the picture before that.

    Args:
        face: In the turned picture.
        quarters: How far it was turned.
        width: Of the picture before.
        height: Likewise.

    Example:
        >>> face = FaceDetection(np.float32([0, 0, 10, 20]), np.zeros((5, 2), np.float32), 0.9)
        >>> turned_back(face, 1, 100, 50).box_px.tolist()
        [79.0, 0.0, 99.0, 10.0]
    """
    places = np.concatenate([face.points_px, face.box_px.reshape(2, 2)])
    x, y = places[:, 0], places[:, 1]
    x, y = {1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}[quarters]
    back = np.stack([x, y], axis=1).astype(np.float32)
    return replace(face, points_px=back[:5], box_px=np.concatenate([back[5:].min(axis=0), back[5:].max(axis=0)]))


def _in_frame(
    points: NDArray[np.float32], box: NDArray[np.float32], score: float, expected_px: NDArray[np.float32]
) -> FaceDetection:
    """Return what was seen in a crop around ``expected_px`` in the frame's pixels.

    The box keeps its own proportions and its sides stay level.
    """
    back = similarity(canonical_points(REFINE_PX, REFINE_MARGIN_PX), expected_px)
    in_frame = points @ back[:, :2].T + back[:, 2]
    centre = back[:, :2] @ ((box[:2] + box[2:]) / 2) + back[:, 2]
    scale = float(np.hypot(back[0, 0], back[1, 0]))
    upright = (float(back[0, 0]) / scale) ** 2
    sides = (box[2:] - box[:2]) * scale
    sides = upright * sides + (1 - upright) * sides[::-1]
    in_frame_box = np.concatenate([centre - sides / 2, centre + sides / 2]).astype(np.float32)
    return FaceDetection(in_frame_box, in_frame.astype(np.float32), score)


def _is_a_shape(points: NDArray[np.float32]) -> bool:
    """Say whether five points can be aligned at all."""
    return bool(np.isfinite(points).all() and np.ptp(points, axis=0).max() > LEAST_EXTENT_PX)


def height_of(face: FaceDetection) -> float:
    """Return the height of a face's box in pixels."""
    return float(face.box_px[3] - face.box_px[1])
