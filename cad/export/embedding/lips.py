# SPDX-License-Identifier: Apache-2.0
"""Measures in graphs how a mouth moves from crop to crop: ``cad.faces.active_speaker``."""

from __future__ import annotations

import numpy as np
import onnx

from cad.export.embedding.graph_writer import END, GraphWriter, Value
from cad.faces.active_speaker import MOUTH_PX, UPPER_PX, UPPER_SHARE
from cad.faces.records import CROP_SIZE_PX

#: Brightness as OpenCV computes it of bytes: whole parts of 2^15, so that every machine gets the same.
_GREY_PARTS, _GREY_BITS = (9798, 19235, 3735), 15


def lip_graph() -> onnx.ModelProto:
    """Return the graph that gives the motion of a mouth between neighbours of consecutive crops of one face."""
    writer = GraphWriter("lip_motion")
    crops = writer.input("crops", np.uint8, ["time", CROP_SIZE_PX, CROP_SIZE_PX, 3])
    mouth, upper = (_changes(writer, *_patches(writer, crops, place)) for place in (MOUTH_PX, UPPER_PX))
    writer.output("motion", mouth - upper * UPPER_SHARE, ["changes"])
    return writer.model()


def _patches(writer: GraphWriter, crops: Value, place: tuple[int, int, int, int]) -> tuple[Value, int]:
    """Return a part of every crop, grey and at half its size: float32 (time, pixels), whole numbers; and pixels."""
    left, top, right, bottom = place
    width, height = (right - left) // 2, (bottom - top) // 2
    part = crops.part(top, top + 2 * height, 1).part(left, left + 2 * width, 2).cast(np.float32)
    # Whole numbers below 2^24, which float32 holds exactly.
    weighed = (part * writer.constant(_GREY_PARTS, np.float32)).total(3)
    grey = ((weighed + 2.0 ** (_GREY_BITS - 1)) * 2.0**-_GREY_BITS).floored()
    four = grey.reshape(-1, height, 2, width, 2).total(2, 4)
    return ((four + 2.0) * 0.25).floored().reshape(-1, width * height), width * height


def _changes(writer: GraphWriter, patches: Value, width: int) -> Value:
    """Return how much patches, float32 (time, width), change from one to the next but for an even change of light."""
    changes = patches.size(0) - 1
    # Two patches more, so that there always is a change: ONNX Runtime 1.20 ends the process where it sorts none.
    more = writer.joined(patches, writer.constant(np.zeros((2, width)), np.float32))
    difference = more.part(1, END, 0) - more.part(0, -1, 0)
    falling, _ = writer.ops("TopK", difference, np.array([width]), dtypes=[None, np.int64], axis=1)
    middle = (falling.take([(width - 1) // 2], axis=1) + falling.take([width // 2], axis=1)) * 0.5
    return (difference - middle).absolute().mean(1).part(0, changes, 0)
