# SPDX-License-Identifier: Apache-2.0
"""Spreads the values of dark and pale pictures in graphs: ``cad.faces.finder.stretched``."""

from __future__ import annotations

import numpy as np

from cad.export.embedding.graph_writer import END, GraphWriter, Value
from cad.faces.finder import FLAT_SPAN, LEAST_SPAN

#: Pixels are sampled this often along the shorter side.
_SAMPLES = 32


def range_of(writer: GraphWriter, picture: Value) -> tuple[Value, Value]:
    """Return between which two levels all but a hundredth at either end of a picture's values lie, float32 ().

    Args:
        writer: Of the graph.
        picture: (height, width, 3), any type.
    """
    step = (picture.size(0).at_most(picture.size(1)) // _SAMPLES).at_least(1)
    samples = picture.part(0, END, 0, step).part(0, END, 1, step).cast(np.float32).reshape(-1)
    count = samples.size(0)
    falling, _ = writer.ops("TopK", samples, count, dtypes=[None, np.int64], axis=0)
    # The level at a share is the lowest that has the share of values at or below it.
    low, high = (count - (count * hundredths + 99) // 100 for hundredths in (1, 99))
    return falling.take(low).scalar(), falling.take(high).scalar()


def stretched(writer: GraphWriter, values: Value, low: Value, high: Value) -> Value:
    """Return a picture's values, float32, spread over all levels if they lie between ``low`` and ``high``.

    A picture with enough light, and one that is as good as one colour, keeps its values.
    """
    span = high - low
    spread = ((values - low) * 255.0 / span.at_least(1.0)).floored()
    levels = writer.op("Clip", spread, 0.0, 255.0)
    return writer.choice((span >= float(FLAT_SPAN)) & (span < float(LEAST_SPAN)), levels, values)
