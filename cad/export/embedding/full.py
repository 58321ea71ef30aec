# SPDX-License-Identifier: Apache-2.0
"""Puts the face crops in front of a detector: one graph from decoded pictures to logits."""

from __future__ import annotations

import numpy as np
import onnx

from cad.export.embedding.crops import cut_faces
from cad.export.embedding.graph_writer import GraphWriter
from cad.export.embedding.plain_levels import with_plain_levels
from cad.faces.align import canonical_points
from cad.faces.records import CROP_SIZE_PX
from cad.spec import METADATA_KEY, OUTPUTS


def full_graph(detector: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that takes the pictures of a window and the points of its faces to the logits of each face.

    Args:
        detector: With the inputs and outputs of cad.spec; its weights keep the precision in which they are stored, and
            the graph its spec.
    """
    writer = GraphWriter("cad_full")
    pictures = writer.input("pictures", np.uint8, ["time", "height", "width", 3])
    points = writer.input("points", np.float32, ["faces", "time", 5, 2])
    frames_present = writer.input("frames_present", np.float32, ["faces", "time"])
    audio = writer.input("audio", np.float32, ["samples"])
    audio_present = writer.input("audio_present", np.float32, ["time"])
    faces, time = points.size(0), points.size(1)
    is_there = frames_present.reshape(-1, 1, 1) > 0.0
    # What stands where nobody was seen may be anything.
    places = writer.choice(is_there, points.reshape(-1, 5, 2), writer.constant(canonical_points()[None]))
    count = places.size(0)
    crops = cut_faces(writer, lambda index: pictures.take((index % time).scalar()), places, count, CROP_SIZE_PX)
    shown = writer.choice(is_there.widened(3), crops, 0)
    outputs = writer.inlined(
        with_plain_levels(detector),
        {
            "frames": shown.reshape(faces, time, CROP_SIZE_PX, CROP_SIZE_PX, 3),
            "audio": writer.op("Expand", audio.widened(0), writer.joined(faces, audio.size(0))),
            "frames_present": frames_present,
            "audio_present": writer.op("Expand", audio_present.widened(0), writer.joined(faces, time)),
        },
    )
    for name in OUTPUTS:
        writer.output(name, outputs[name], ["faces", "time"] if name.endswith("_frame_logits") else ["faces"])
    metadata = {one.key: one.value for one in detector.metadata_props if one.key == METADATA_KEY}
    return writer.model(metadata)
