# SPDX-License-Identifier: Apache-2.0
"""Looks in graphs at places where faces are expected: ``cad.faces.finder.FaceFinder.refine``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx

from cad.export.embedding.crops import cut_faces
from cad.export.embedding.graph_writer import GraphWriter, Value
from cad.export.embedding.nets import packaged_net
from cad.export.embedding.similarities import multiplied, similarities
from cad.faces.align import canonical_points
from cad.faces.finder import LEAST_EXTENT_PX, PLACE_STEP_PX
from cad.faces.points import DEFAULT_NET, REFINE_MARGIN_PX, REFINE_PX


class Looks(NamedTuple):
    """What was seen at places.

    Attributes:
        points: float32 (places, 5, 2) in the picture's pixels.
        boxes: float32 (places, 4) left, top, right, bottom.
        scores: float32 (places,) in [0, 1].
    """

    points: Value
    boxes: Value
    scores: Value


def look_graph() -> onnx.ModelProto:
    """Return the graph that looks at places of one picture where faces are expected."""
    writer = GraphWriter("face_look")
    picture = writer.input("picture", np.uint8, ["height", "width", 3])
    points = writer.input("points", np.float32, ["places", 5, 2])
    count = points.size(0)
    seen = look(writer, picture, writer.joined(points, writer.constant(standard_place())), count.at_least(1))
    writer.output("points_seen", seen.points.part(0, count, 0), ["places", 5, 2])
    writer.output("boxes", seen.boxes.part(0, count, 0), ["places", 4])
    writer.output("scores", seen.scores.part(0, count, 0), ["places"])
    return writer.model()


def standard_place() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return five points, float32 (1, 5, 2), at which a look does no harm."""
    return canonical_points(REFINE_PX, REFINE_MARGIN_PX)[None]


def look(writer: GraphWriter, picture: Value, points: Value, count: Value) -> Looks:
    """Return what is seen at the first ``count`` places of a picture.

    Args:
        writer: Of the graph.
        picture: uint8 (height, width, 3).
        points: float32 (places, 5, 2).
        count: int64 (1,), at least 1.
    """
    places = (points.part(0, count, 0) / PLACE_STEP_PX).rounded() * PLACE_STEP_PX
    crops = cut_faces(writer, lambda index: picture, places, count, REFINE_PX, REFINE_MARGIN_PX, is_stretched=True)
    seen = writer.inlined(packaged_net(DEFAULT_NET), {"crops": crops})
    return _in_picture(writer, seen["points"].reshape(-1, 5, 2), seen["boxes"], seen["scores"], places)


def is_a_shape(writer: GraphWriter, points: Value) -> Value:
    """Say for each place whether its five points can be aligned at all: bool (places,)."""
    extent = (points.highest(1) - points.lowest(1)).highest(1)
    # Greater than is false for what is no number, and so is less than for what is infinite.
    return (extent > LEAST_EXTENT_PX) & (points.absolute().highest(1, 2) < float(np.finfo(np.float32).max))


def _in_picture(writer: GraphWriter, points: Value, boxes: Value, scores: Value, places: Value) -> Looks:
    """Return what was seen in crops around ``places`` in the picture's pixels; boxes keep their sides level."""
    canonical = writer.constant(canonical_points(REFINE_PX, REFINE_MARGIN_PX)[None])
    back = similarities(writer, canonical, places)
    in_picture = back.taken(writer, points.cast(np.float64)).cast(np.float32)
    begins, ends = boxes.part(0, 2, 1), boxes.part(2, 4, 1)
    centres = back.taken(writer, ((begins + ends) * 0.5).cast(np.float64).widened(1)).reshape(-1, 2)
    scale = back.scale()
    upright = back.factor.part(0, 1, 1) / scale.at_least(1e-9)
    upright = upright * upright
    sides = (ends - begins) * scale.cast(np.float32)
    sides = upright.cast(np.float32) * sides + (1.0 - upright).cast(np.float32) * sides.take([1, 0], axis=1)
    half = (sides * 0.5).cast(np.float64)
    return Looks(in_picture, writer.joined(centres - half, centres + half, axis=1).cast(np.float32), scores)


def moved_aside(writer: GraphWriter, points: Value, ways: tuple[tuple[float, float, float, float], ...]) -> Value:
    """Return five points, float32 (places, 5, 2), each moved in several ways: (places, ways, 5, 2).

    Args:
        writer: Of the graph.
        points: Of each place.
        ways: Shift x, y in eye distances, scale, turn in radians.
    """
    shift = writer.constant(np.array([[way[:2]] for way in ways])[None])
    turn = np.array([[[scale * np.cos(angle), scale * np.sin(angle)]] for _, _, scale, angle in ways])[None]
    middle = points.mean(1, keep=True).widened(1)
    moved = multiplied(writer, writer.constant(turn), (points.widened(1) - middle).cast(np.float64))
    eyes = eye_distances(points).reshape(-1, 1, 1, 1).cast(np.float64)
    return (moved + middle.cast(np.float64) + eyes * shift).cast(np.float32)


def eye_distances(points: Value) -> Value:
    """Return how far the eyes of each place are apart, float32 (places,)."""
    between = points.take(1, axis=1) - points.take(0, axis=1)
    return (between * between).total(1).root()
