# SPDX-License-Identifier: Apache-2.0
"""Reduces pictures in graphs by area, as OpenCV's INTER_AREA does: every new pixel is the mean of what it covers."""

from __future__ import annotations

import numpy as np

from cad.export.embedding.graph_writer import GraphWriter, Value


def area_reduced(writer: GraphWriter, picture: Value, height: Value, width: Value) -> Value:
    """Return a picture at another size, none of whose sides is longer.

    Args:
        writer: Of the graph.
        picture: uint8 (rows, columns, 3).
        height: Of the result, int64 (1,).
        width: Likewise.

    Returns:
        float32 (width, height, 3), columns first, whole numbers: the caller turns it as it needs it.
    """
    rows, columns = picture.size(0), picture.size(1)
    low = _rows_reduced(writer, picture.reshape(rows, -1), rows, height)
    turned = low.reshape(height, columns, 3).transposed(1, 0, 2).reshape(columns, -1)
    return _rows_reduced(writer, turned, columns, width).reshape(width, height, 3).rounded()


def _rows_reduced(writer: GraphWriter, lines: Value, length: Value, new_length: Value) -> Value:
    """Return ``new_length`` means of ``lines``, (length, values), float32.

    New line j covers the lines from j * length / new_length on; measured in parts of 1 / new_length lines, every bound
    is a whole number, so that no weight is rounded.
    """
    new = writer.counted(new_length)
    start = (new * length).widened(1)
    taps = (length + new_length - 1) // new_length + 1
    line = (start // new_length) + writer.counted(taps).widened(0)
    covered = ((line + 1) * new_length).at_most(start + length) - (line * new_length).at_least(start)
    shares = covered.at_least(0).cast(np.float32) / length.cast(np.float32)
    read = lines.take(line.at_most(length - 1)).cast(np.float32)
    return (shares.widened(1) @ read).reshape(new_length, -1)
