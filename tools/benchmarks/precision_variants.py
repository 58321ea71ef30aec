# SPDX-License-Identifier: Apache-2.0
"""The precisions of one net that `tools/bench.py precisions` compares, each as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from cad.export import integer_products, precision
from cad.export.absent_faces import skip_absent_faces
from cad.export.precision import store_weights_as
from cad.export.static_int8 import LAYERS, Range, multiply_by_ranges, plan_of

#: All convolutions of the encoders but those of the large transformer.
EVERY_LAYER = ("model.face_encoder.", "model.lip_encoder.", "model.speech_encoder.conv")
#: The linear layers of the sound.
SPEECH_LAYERS = ("model.speech_encoder.layers.",)
#: What is compared, the one that all others are compared with first. Those that are no dtype of export/to_onnx.py show
#: why it is not offered, or what it is made of.
VARIANTS = {
    "fp32": "float32 throughout",
    "fp16": "weights stored in float16, computed in float32",
    "fp16_compute": "encoders computed in float16 (for a GPU; a CPU casts and computes in float32)",
    "int8_storage": "weights stored in int8, computed in float32",
    "int8": "weights stored in int8, the large encoder's linear layers multiply in integers",
    "int8_static": "int8, and the picture's convolutions multiply in integers, by ranges from train clips",
    "int8_static_all": "int8_static with the face encoder's first block and the sound's convolutions as well",
    "int8_static_speech": "int8_static, and the sound's linear layers multiply in integers",
}


def watched(proto: onnx.ModelProto) -> list[str]:
    """Return the names of the activations whose ranges some variant needs."""
    return list(dict.fromkeys([*plan_of(proto.graph).tensors, *plan_of(proto.graph, EVERY_LAYER).tensors]))


def write_variant(name: str, proto: onnx.ModelProto, ranges: Mapping[str, Range], path: Path) -> None:
    """Write the float32 graph as one of VARIANTS."""
    if name in precision.DTYPES:
        store_weights_as(proto, path, name, ranges if name == precision.CALIBRATED else None)
        return
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    if name.startswith("int8_static"):
        multiply_by_ranges(made.graph, plan_of(made.graph, EVERY_LAYER if name.endswith("_all") else LAYERS), ranges)
    if name != "int8_storage":
        speech = SPEECH_LAYERS if name == "int8_static_speech" else ()
        integer_products.multiply_in_integers(made.graph, (*integer_products.LAYERS, *speech))
    precision.narrow_weights(made.graph, "int8")
    skip_absent_faces(made.graph)
    onnx.checker.check_model(made)
    path.write_bytes(made.SerializeToString())
