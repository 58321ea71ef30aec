# SPDX-License-Identifier: Apache-2.0
"""Cuts faces out of pictures in graphs, upright and at a standard size: ``cad.faces.align.align_face``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from cad.export.embedding.areas import area_reduced
from cad.export.embedding.graph_writer import GraphWriter, Value
from cad.export.embedding.levels import range_of, stretched
from cad.export.embedding.similarities import Similarities, similarities
from cad.faces.align import MINIFY_BELOW, canonical_points
from cad.faces.records import CROP_SIZE_PX

#: Points that lie farther away, or are no numbers, are taken for 0, so that no size grows beyond reason.
FARTHEST_PX = 1e6


def crop_graph() -> onnx.ModelProto:
    """Return the graph that cuts the faces at given points out of one picture."""
    writer = GraphWriter("face_crop")
    picture = writer.input("picture", np.uint8, ["height", "width", 3])
    points = writer.input("points", np.float32, ["faces", 5, 2])
    more = writer.joined(points, writer.constant(canonical_points()[None]))
    crops = cut_faces(writer, lambda index: picture, more, points.size(0).at_least(1), CROP_SIZE_PX)
    writer.output("crops", crops.part(0, points.size(0), 0), ["faces", CROP_SIZE_PX, CROP_SIZE_PX, 3])
    return writer.model()


def cut_faces(
    writer: GraphWriter,
    picture_of: Callable[[Value], Value],
    points: Value,
    count: Value,
    size_px: int,
    margin_px: int = 0,
    is_stretched: bool = False,
) -> Value:
    """Return the crops of the first ``count`` faces, uint8 (count, size_px, size_px, 3).

    One is cut after the other: only what one face needs of one picture is held as float32.

    Args:
        writer: Of the graph.
        picture_of: Gives for the index of a face, int64 (1,), its picture, uint8 (height, width, 3).
        points: float32 (faces, 5, 2) in that picture.
        count: int64 (1,), at least 1.
        size_px: Side of the crops.
        margin_px: Margin on every side.
        is_stretched: Whether the values of dark crops are spread over all levels.
    """
    canonical = writer.constant(canonical_points(size_px, margin_px)[None])
    points = writer.choice(points.absolute() <= FARTHEST_PX, points, 0.0)
    ways = similarities(writer, points, canonical)
    scales, back = ways.scale(), ways.inverse(writer)

    def one(index: Value) -> list[tuple[Value, list[int | str]]]:
        way = Similarities(back.factor.take(index), back.source, back.target.take(index))
        crop = _cut(writer, picture_of(index), way, scales.take(index).reshape(1), size_px)
        if is_stretched:
            crop = stretched(writer, crop.cast(np.float32), *range_of(writer, crop)).cast(np.uint8)
        return [(crop, [size_px, size_px, 3])]

    return writer.for_each(count, one)[0]


def _cut(writer: GraphWriter, picture: Value, way: Similarities, scale: Value, size_px: int) -> Value:
    """Return one crop, uint8 (size_px, size_px, 3), of what the picture shows there, area-reduced where it shrinks.

    Args:
        writer: Of the graph.
        picture: uint8 (height, width, 3).
        way: From the crop to the picture, one place.
        scale: Of the crop against the picture, float64 (1,).
        size_px: Side of the crop.
    """
    begin, length = _needed(writer, picture, way, scale, size_px)
    left, top = begin.part(0, 1, 0), begin.part(1, 2, 0)
    columns, rows = length.part(0, 1, 0), length.part(1, 2, 0)
    held = picture.part(top, top + rows, 0).part(left, left + columns, 1)
    is_reduced = scale < MINIFY_BELOW
    reduced = (length.cast(np.float64) * scale).rounded().cast(np.int64).at_least(1)
    sides = writer.choice(is_reduced, reduced, length)
    small = area_reduced(writer, held, sides.part(1, 2, 0), sides.part(0, 1, 0))
    # Only a picture that is reduced is cut first: where a place lies decides how its coordinates are rounded.
    shift, beyond = writer.choice(is_reduced, begin, 0), writer.choice(is_reduced, 0, begin)
    factor = sides.cast(np.float64) / length.cast(np.float64)
    origin = way.taken(writer, writer.constant(np.zeros((1, 1, 2)))).reshape(2)
    origin = (origin - shift.cast(np.float64) + 0.5) * factor - 0.5
    places = _places(writer, way.factor.reshape(2), origin, factor, size_px)
    crop = _warped(writer, small, places, beyond).rounded().cast(np.uint8)
    return crop.reshape(3, size_px, size_px).transposed(1, 2, 0)


def _places(writer: GraphWriter, turn: Value, origin: Value, factor: Value, size_px: int) -> Value:
    """Return where each pixel of a crop lies, float32 (2, size_px * size_px) x, y, rounded where OpenCV 5 rounds.

    Args:
        writer: Of the graph.
        turn: Of the way from the crop to the picture, float64 (2,), real and imaginary.
        origin: Where the first pixel of the crop lies, float64 (2,) x, y.
        factor: Of what is read against the picture, float64 (2,).
        size_px: Side of the crop.

    Source: OpenCV 5, modules/imgproc/src/warp_kernels.simd.hpp: the matrix is float32; along a row one product and sum
        is rounded once.
    """
    real, imaginary = turn.part(0, 1, 0), turn.part(1, 2, 0)
    along = (writer.joined(real, imaginary) * factor).cast(np.float32)
    down = (writer.joined(imaginary * -1.0, real) * factor).cast(np.float32)
    steps = np.arange(size_px, dtype=np.float32)
    rows = down.widened(1) * writer.constant(steps[None]) + origin.cast(np.float32).widened(1)
    columns = along.cast(np.float64).reshape(2, 1, 1) * writer.constant(steps[None, None].astype(np.float64))
    return (columns + rows.cast(np.float64).widened(2)).cast(np.float32).reshape(2, -1)


def _warped(writer: GraphWriter, small: Value, places: Value, beyond: Value) -> Value:
    """Return what a picture shows at places, float32 (3, places); it is black beyond its sides.

    Args:
        writer: Of the graph.
        small: float32 (rows, columns, 3).
        places: float32 (2, places) x, y.
        beyond: How much to the left and above of the picture is not in ``small``, int64 (2,).
    """
    rim = np.array([1, 1, 0, 1, 1, 0], dtype=np.int64)
    wide = writer.op("Pad", small, rim, np.float32(0.0))
    rows, columns = wide.size(0), wide.size(1)
    planes = wide.transposed(2, 0, 1).reshape(3, -1)
    whole = places.floored()
    share = (places - whole).cast(np.float64)
    corner = whole.cast(np.int64) - (beyond - 1).widened(1)
    x, y = corner.take(0), corner.take(1)
    left, right = (one.at_least(0).at_most(columns - 1) for one in (x, x + 1))
    above, below = (one.at_least(0).at_most(rows - 1) * columns for one in (y, y + 1))
    lines = [
        _between(share.take([0]), planes.take(line + left, axis=1), planes.take(line + right, axis=1))
        for line in (above, below)
    ]
    return _between(share.take([1]), *lines)


def _between(share: Value, one: Value, other: Value) -> Value:
    """Return ``one + share * (other - one)``, rounded to float32 once."""
    return ((other - one).cast(np.float64) * share + one.cast(np.float64)).cast(np.float32)


def _needed(writer: GraphWriter, picture: Value, way: Similarities, scale: Value, size_px: int) -> tuple[Value, Value]:
    """Return where the part of a picture begins that a crop needs, and its lengths: int64 (2,) x, y; never empty."""
    sides = writer.joined(picture.size(1), picture.size(0))
    corners = writer.constant(np.array([[[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]]], dtype=np.float64))
    reach = way.taken(writer, corners)
    room = 2.0 / scale.at_least(1e-6) + 2.0
    # Bounds first: what is far outside fits into no int64.
    edge = sides.cast(np.float64)
    low = (reach.lowest(0, 1) - room).at_least(0.0).at_most(edge - 1.0)
    begin = low.floored().cast(np.int64)
    high = (reach.highest(0, 1) + room).ceiled().at_most(edge).at_least(0.0)
    return begin, (high.cast(np.int64)).at_least(begin + 1) - begin
