# SPDX-License-Identifier: Apache-2.0
"""Reduces pictures in graphs by area, as OpenCV's INTER_AREA does: every new pixel is the mean of what it covers."""

from __future__ import annotations

import numpy as np

from cad.export.embedding.graph_writer import GraphWriter, Value


def area_reduced(writer: GraphWriter, picture: Value, height: Value, width: Value) -> Value:
    """Return a picture at another size, none of whose sides is longer: float32 (height, width, 3), whole numbers.

    Sums go from left to right and then from top to bottom, as OpenCV's do: the detector sees the last bit of a crop.

    Args:
        writer: Of the graph.
        picture: uint8 (rows, columns, 3).
        height: Of the result, int64 (1,).
        width: Likewise.
    """
    rows, columns = picture.size(0), picture.size(1)
    lost = writer.joined(rows % height, columns % width).highest(0, keep=True)
    is_whole = lost < 1  # then pixels are added up before they are divided
    turned = picture.transposed(1, 0, 2).reshape(columns, -1)
    narrow = _rows_reduced(writer, turned, columns, width, is_whole).reshape(width, rows, 3)
    low = _rows_reduced(writer, narrow.transposed(1, 0, 2).reshape(rows, -1), rows, height, is_whole)
    each = (rows * columns) // (height * width)
    low = low * writer.choice(is_whole, 1.0 / each.cast(np.float32), 1.0)
    # Means of two by two are rounded up at the half.
    is_half = is_whole & ((rows // height) < 3) & ((columns // width) < 3) & (each > 3)
    return writer.choice(is_half, (low + 0.5).floored(), low.rounded()).reshape(height, width, 3)


def _rows_reduced(writer: GraphWriter, lines: Value, length: Value, new_length: Value, is_whole: Value) -> Value:
    """Return ``new_length`` means of ``lines``, (length, values), float32; sums if ``is_whole``.

    New line j covers the lines from j * length / new_length on; measured in parts of 1 / new_length lines, every bound
    is a whole number, so that no weight is rounded but once.
    """
    new = writer.counted(new_length)
    start = (new * length).widened(1)
    taps = (length + new_length - 1) // new_length + 1
    line = (start // new_length) + writer.counted(taps).widened(0)
    covered = ((line + 1) * new_length).at_most(start + length) - (line * new_length).at_least(start)
    shares = (covered.at_least(0).cast(np.float64) / length.cast(np.float64)).cast(np.float32)
    shares = writer.choice(is_whole, (covered > 0).cast(np.float32), shares)
    read = lines.take(line.at_most(length - 1)).cast(np.float32)
    # Summed one after the other: a matrix product would add in an order of its own.
    total = writer.op("CumSum", read * shares.widened(2), np.array(1, dtype=np.int64))
    return total.take(taps - 1, axis=1).reshape(new_length, -1)
