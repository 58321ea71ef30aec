# SPDX-License-Identifier: Apache-2.0
"""Gives the coarse brightness of a picture in graphs, by which cuts are found: ``cad.faces.cuts.coarse_luma``."""

from __future__ import annotations

import numpy as np
import onnx

from cad.export.embedding.graph_writer import GraphWriter
from cad.faces.cuts import LEAST_STEP_PX, LUMA, SAMPLES


def coarse_graph() -> onnx.ModelProto:
    """Return the graph that gives the brightness of one picture at a few places."""
    writer = GraphWriter("picture_coarse")
    picture = writer.input("picture", np.uint8, ["height", "width", 3])
    height, width = picture.size(0), picture.size(1)
    step = (height.at_least(width) // SAMPLES).at_least(LEAST_STEP_PX)
    rows, columns = height // step * step, width // step * step
    half = step // 2
    # A line of pixels is too thin for steps: there every pixel counts four times, and its colours alike.
    is_thin = rows.at_most(columns) < 1
    step = writer.choice(is_thin, 1, step)
    last_row, last_column = writer.choice(is_thin, height, rows), writer.choice(is_thin, width, columns)
    before, after = writer.choice(is_thin, 0, half - 1), writer.choice(is_thin, 0, half)
    corners = [
        picture.part(y, last_row, 0, step).part(x, last_column, 1, step).cast(np.float32)
        for y, x in ((before, before), (before, after), (after, before), (after, after))
    ]
    total = corners[0] + corners[1] + corners[2] + corners[3]
    shares = writer.choice(is_thin, writer.constant([1 / 12] * 3, np.float32), writer.constant(LUMA / 4))
    writer.output("coarse", (total * shares).total(2), ["rows", "columns"])
    return writer.model()
