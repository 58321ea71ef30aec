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
        scale: Of the crop against the picture, float32 (1,).
        size_px: Side of the crop.
    """
    begin, length = _needed(writer, picture, way, scale, size_px)
    left, top = begin.part(0, 1, 0), begin.part(1, 2, 0)
    columns, rows = length.part(0, 1, 0), length.part(1, 2, 0)
    held = picture.part(top, top + rows, 0).part(left, left + columns, 1)
    reduced = (length.cast(np.float32) * scale).rounded().cast(np.int64).at_least(1)
    sides = writer.choice(scale < MINIFY_BELOW, reduced, length)
    small = area_reduced(writer, held, sides.part(1, 2, 0), sides.part(0, 1, 0)).transposed(2, 1, 0)
    grid = _grid(writer, way, begin, length, size_px)
    crop = writer.op("GridSample", small.widened(0), grid, mode="linear", padding_mode="zeros", align_corners=0)
    return crop.rounded().cast(np.uint8).reshape(3, size_px, size_px).transposed(1, 2, 0)


def _grid(writer: GraphWriter, way: Similarities, begin: Value, length: Value, size_px: int) -> Value:
    """Return where GridSample reads: -1 and 1 are the outer edges of the part that begins at ``begin``."""
    down, right = np.mgrid[:size_px, :size_px].astype(np.float32)
    pixels = writer.constant(np.stack([right, down, np.ones_like(right)], axis=-1).reshape(-1, 3))
    # The way is a matrix of three rows: what one pixel to the right and one down change, and where the first one is.
    first = way.taken(writer, writer.constant(np.zeros((1, 1, 2), np.float32))).reshape(1, 2)
    shift = (first - begin.cast(np.float32) + 0.5) * 2.0 / length.cast(np.float32) - 1.0
    real, imaginary = way.factor.part(0, 1, 1), way.factor.part(1, 2, 1)
    steps = writer.joined(writer.joined(real, imaginary, axis=1), writer.joined(-imaginary, real, axis=1), axis=0)
    matrix = writer.joined(steps * 2.0 / length.cast(np.float32), shift, axis=0)
    return (pixels @ matrix).reshape(1, size_px, size_px, 2)


def _needed(
    writer: GraphWriter, picture: Value, way: Similarities, scale: Value, size_px: int
) -> tuple[Value, Value]:
    """Return where the part of a picture begins that a crop needs, and its lengths: int64 (2,) x, y; never empty."""
    sides = writer.joined(picture.size(1), picture.size(0))
    corners = writer.constant(np.float32([[[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]]]))
    reach = way.taken(writer, corners)
    room = 2.0 / scale.at_least(1e-6) + 2.0
    # Bounds first: what is far outside fits into no int64.
    edge = sides.cast(np.float32)
    low = (reach.lowest(0, 1) - room).at_least(0.0).at_most(edge - 1.0)
    begin = low.floored().cast(np.int64)
    high = (reach.highest(0, 1) + room).ceiled().at_most(edge).at_least(0.0)
    return begin, (high.cast(np.int64)).at_least(begin + 1) - begin
