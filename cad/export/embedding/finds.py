# SPDX-License-Identifier: Apache-2.0
"""Finds new faces in graphs: ``cad.faces.finder.FaceFinder`` at one size, with everything that confirms a face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx

from cad.export.embedding.areas import area_reduced
from cad.export.embedding.graph_writer import GraphWriter, Value
from cad.export.embedding.levels import range_of, stretched
from cad.export.embedding.looks import Looks, eye_distances, is_a_shape, look, moved_aside, standard_place
from cad.export.embedding.nets import packaged_net
from cad.faces.finder import (
    ASIDE,
    LEAST_SEARCHED_PX,
    MOST_CANDIDATES,
    MOST_SPREAD,
    NEW_SCORE,
    REFINE_ROUNDS,
    REFINE_SCORE,
    SEARCH_SCORE,
)
from cad.faces.net import DEFAULT_NET
from cad.faces.overlap import SAME_FACE


class Found(NamedTuple):
    """Faces on their way to be confirmed. The last is none: it is there so that there always is one.

    Attributes:
        points: float32 (faces, 5, 2).
        boxes: float32 (faces, 4).
        scores: float32 (faces,); 0 for the last.
    """

    points: Value
    boxes: Value
    scores: Value

    def only(self, writer: GraphWriter, kept: Value) -> Found:
        """Return those where ``kept``, bool (faces,), holds, and the last."""
        count = self.scores.size(0)
        stays = kept | (writer.counted(count) >= count - 1)
        return Found(*(one.where(stays) for one in self))


def find_graph() -> onnx.ModelProto:
    """Return the graph that finds the faces of one picture at one size."""
    writer = GraphWriter("face_find")
    picture = writer.input("picture", np.uint8, ["height", "width", 3])
    long_side = writer.input("long_side", np.int64, [])
    found = _confirmed(writer, picture, _searched(writer, picture, long_side))
    last = found.scores.size(0) - 1
    found = Found(*(one.part(0, last, 0) for one in found))
    writer.output("boxes", found.boxes, ["faces", 4])
    writer.output("points", found.points, ["faces", 5, 2])
    writer.output("scores", found.scores, ["faces"])
    return writer.model()


def _searched(writer: GraphWriter, picture: Value, long_side: Value) -> Found:
    """Return what the net sees of a picture, surest first, in its pixels."""
    sides = writer.joined(picture.size(1), picture.size(0))
    exact = sides.cast(np.float32)
    scale = (long_side.cast(np.float32) / exact.highest(0)).at_most(1.0)
    searched = (exact * scale).rounded().cast(np.int64).at_least(LEAST_SEARCHED_PX)
    small = area_reduced(writer, picture, searched.part(1, 2, 0), searched.part(0, 1, 0))
    small = stretched(writer, small, *range_of(writer, picture)).cast(np.uint8).widened(0)
    seen = writer.inlined(packaged_net(DEFAULT_NET), {"frames": small})
    points, boxes, scores = (seen[name].take(0) for name in ("points", "boxes", "scores"))
    scores = writer.choice(is_a_shape(writer, points), scores, 0.0)
    best = _best(writer, boxes, scores, SEARCH_SCORE)
    ratio = exact / searched.cast(np.float32)
    # Pixel centres are whole numbers on both sides of the scaling.
    points = (points.take(best) + 0.5) * ratio - 0.5
    boxes = ((boxes.take(best).reshape(-1, 2, 2) + 0.5) * ratio - 0.5).reshape(-1, 4)
    nobody = standard_place(), np.zeros((1, 4)), np.zeros(1)
    found = zip((points, boxes, scores.take(best)), nobody, strict=True)
    return Found(*(writer.joined(one, writer.constant(none, np.float32)) for one, none in found))


def _confirmed(writer: GraphWriter, picture: Value, found: Found) -> Found:
    """Return the faces that closer looks confirm, surest first, with the score of search and look together."""
    for left in reversed(range(REFINE_ROUNDS)):
        seen = _looked(writer, picture, found.points, 1)
        scores = found.scores if left else _together(writer, found.scores, seen.scores)
        likely = (seen.scores >= REFINE_SCORE) & is_a_shape(writer, seen.points)
        found = Found(seen.points, seen.boxes, scores).only(writer, likely)
    found = found.only(writer, found.scores >= NEW_SCORE)
    found = _steady(writer, picture, found)
    order = writer.joined(_best(writer, found.boxes, found.scores, 0.0), found.scores.size(0) - 1)
    return Found(*(one.take(order) for one in found))


def _steady(writer: GraphWriter, picture: Value, found: Found) -> Found:
    """Return the faces whose points stay in place when they are looked at from aside, with the mean of those points."""
    moved = moved_aside(writer, found.points, ASIDE).reshape(-1, 5, 2)
    seen = _looked(writer, picture, moved, len(ASIDE)).points
    has_shape = is_a_shape(writer, seen).cast(np.int64).reshape(-1, len(ASIDE)).lowest(1) > 0
    seen = seen.reshape(-1, len(ASIDE), 5, 2)
    points = seen.mean(1)
    away = seen - points.widened(1)
    spread = (away * away).total(3).root().mean(1, 2) / eye_distances(points).at_least(1e-6)
    return Found(points, found.boxes, found.scores).only(writer, has_shape & (spread <= MOST_SPREAD))


def _looked(writer: GraphWriter, picture: Value, points: Value, a_face: int) -> Looks:
    """Return what is seen at places, of which each face has ``a_face``; at those of the last only if it is alone."""
    count = points.size(0)
    seen = look(writer, picture, points, (count - a_face).at_least(1))
    nobody = np.repeat(standard_place(), a_face, axis=0), np.zeros((a_face, 4)), np.zeros(a_face)
    padded = [(one, writer.constant(none, np.float32)) for one, none in zip(seen, nobody, strict=True)]
    return Looks(*(writer.joined(one, none).part(0, count, 0) for one, none in padded))


def _together(writer: GraphWriter, scores: Value, others: Value) -> Value:
    """Return the scores of two independent witnesses: ``cad.faces.finder.together``."""
    both = scores * others
    return both / (both + (1.0 - scores) * (1.0 - others)).at_least(1e-12)


def _best(writer: GraphWriter, boxes: Value, scores: Value, least_score: float) -> Value:
    """Return which faces to keep, surest first, so that no two overlap by more than SAME_FACE: int64 (kept,)."""
    chosen = writer.op(
        "NonMaxSuppression",
        boxes.widened(0),
        scores.widened(0, 1),
        np.array([MOST_CANDIDATES], dtype=np.int64),
        np.array([SAME_FACE], dtype=np.float32),
        np.array([least_score], dtype=np.float32),
        dtype=np.int64,
    )
    return chosen.take(2, axis=1)
