# SPDX-License-Identifier: Apache-2.0
"""A graph with the inputs and outputs of cad/spec.py whose answers can be worked out by hand.

Frame logits: video = (mean red - 128) / 32, sync = (mean green - 128) / 32, audio = 40 * mean |x| - 2, each over one
slot. Clip logits are their means over the slots present (0 with none); fused is the highest of the three;
offset_seconds = mean blue / 255 over the slots with picture.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cad.spec import HEADS, METADATA_KEY, OUTPUTS, Calibration, ModelSpec, OperatingPoint

NAME = "tiny"


def tiny_spec(**changes: object) -> ModelSpec:
    values: dict[str, object] = {
        "name": NAME,
        "window_frames": 50,
        "min_frames": 12,
        "calibration": {head: Calibration() for head in HEADS},
        "operating_points": {head: OperatingPoint(0.6, 0.4) for head in HEADS},
        "trained_on": "nothing: its weights are arithmetic",
    }
    return ModelSpec(**{**values, **changes})


def constants() -> dict[str, np.ndarray]:
    return {
        "red": np.array([0], np.int64),
        "green": np.array([1], np.int64),
        "blue": np.array([2], np.int64),
        "middle": np.array(128, np.float32),
        "step": np.array(32, np.float32),
        "white": np.array(255, np.float32),
        "gain": np.array(40, np.float32),
        "two": np.array(2, np.float32),
        "one": np.array(1, np.float32),
        "picture_axes": np.array([2, 3], np.int64),
        "last": np.array([2], np.int64),
        "time": np.array([1], np.int64),
        "slots": np.array([0, -1, 640], np.int64),
    }


def graph_nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    nodes = [
        node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        node("ReduceMean", ["pixels", "picture_axes"], ["colours"], keepdims=0),
        node("Abs", ["audio"], ["loudness"]),
        node("Reshape", ["loudness", "slots"], ["loudness_by_slot"]),
        node("ReduceMean", ["loudness_by_slot", "last"], ["level"], keepdims=0),
        node("Mul", ["level", "gain"], ["level_gained"]),
        node("Sub", ["level_gained", "two"], ["audio_frame_logits"]),
        node("Mul", ["frames_present", "audio_present"], ["both_present"]),
    ]
    for colour in ("red", "green", "blue"):
        nodes += [
            node("Gather", ["colours", colour], [f"{colour}_column"], axis=2),
            node("Squeeze", [f"{colour}_column", "last"], [f"{colour}_mean"]),
        ]
    for colour, stream in (("red", "video"), ("green", "sync")):
        nodes += [
            node("Sub", [f"{colour}_mean", "middle"], [f"{stream}_centred"]),
            node("Div", [f"{stream}_centred", "step"], [f"{stream}_frame_logits"]),
        ]
    nodes.append(node("Div", ["blue_mean", "white"], ["offset_by_slot"]))
    for line, present, clip in (
        ("video_frame_logits", "frames_present", "video_logit"),
        ("audio_frame_logits", "audio_present", "audio_logit"),
        ("sync_frame_logits", "both_present", "sync_logit"),
        ("offset_by_slot", "frames_present", "offset_seconds"),
    ):
        nodes += mean_where_present(line, present, clip)
    nodes.append(node("Max", ["video_logit", "audio_logit", "sync_logit"], ["fused_logit"]))
    return nodes


def mean_where_present(line: str, present: str, clip: str) -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Mul", [line, present], [f"{clip}_kept"]),
        node("ReduceSum", [f"{clip}_kept", "time"], [f"{clip}_sum"], keepdims=0),
        node("ReduceSum", [present, "time"], [f"{clip}_count"], keepdims=0),
        node("Max", [f"{clip}_count", "one"], [f"{clip}_divisor"]),
        node("Div", [f"{clip}_sum", f"{clip}_divisor"], [clip]),
    ]


def tiny_onnx(spec: ModelSpec | None = None, drop_output: str | None = None) -> bytes:
    """Return the graph as a file; ``drop_output`` leaves one out to see it missed."""
    value = helper.make_tensor_value_info
    inputs = [
        value("frames", TensorProto.UINT8, ["batch", "time", 160, 160, 3]),
        value("audio", TensorProto.FLOAT, ["batch", "samples"]),
        value("frames_present", TensorProto.FLOAT, ["batch", "time"]),
        value("audio_present", TensorProto.FLOAT, ["batch", "time"]),
    ]
    outputs = [
        value(name, TensorProto.FLOAT, ["batch", "time"] if name.endswith("frame_logits") else ["batch"])
        for name in OUTPUTS
        if name != drop_output
    ]
    stored = [numpy_helper.from_array(array, name) for name, array in constants().items()]
    graph = helper.make_graph(graph_nodes(), "tiny", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if spec is not None:
        helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_weights(folder: Path, content: bytes, **manifest: object) -> Path:
    """Write a folder of weights with its manifest."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    values = {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "kind": "detector", **manifest}
    (folder / "manifest.json").write_text(json.dumps(values), encoding="utf-8")
    return folder
