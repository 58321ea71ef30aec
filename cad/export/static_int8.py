# SPDX-License-Identifier: Apache-2.0
"""Lets convolutions of an exported graph multiply in int8, by ranges that were measured on clips beforehand.

Weights have one scale a channel, activations one range a tensor (static quantisation). Written as QuantizeLinear and
DequantizeLinear around float32 operators (QDQ): every runtime can run that, and those with integer kernels fuse it.
Sources: Jacob et al., arXiv 1712.05877; Krishnamoorthi, arXiv 1806.08342.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cad.errors import ExportError
from cad.export.widening import drop_unused

Feed = Mapping[str, NDArray[np.generic]]
Range = tuple[float, float]

#: Whose convolutions gain and bear it, by the beginnings of their weights' names: the face encoder behind its first
#: block, and the lips. The stem and the first block see what tells forged pixels from genuine ones, which eight bits
#: blur; the sound's two convolutions move its logits most of all (docs/evaluation/precisions.md).
LAYERS = (
    *(f"model.face_encoder.blocks.{stage}." for stage in range(1, 7)),
    "model.lip_encoder.net.",
)
#: Of weights, on both sides of zero, and of activations, from the lowest value to the highest.
LARGEST_LEVEL, ACTIVATION_LEVELS = 127, 255
#: Biases are int32 in steps of the input's times the weights': a channel whose weights are next to nothing gets wider
#: steps, or its bias would not fit.
LARGEST_BIAS = 2**30
#: What may follow a convolution and is done by the range of its levels.
_BOUNDS = ("Clip", "Relu")
_LEAST_RANGE = 1e-8


@dataclass(slots=True)
class Plan:
    """What is computed on levels.

    Attributes:
        convolutions: Nodes by their output.
        bounds: By a convolution's output the one Clip or Relu behind it.
        sums: Nodes that add two things that are in levels, by their output.
    """

    convolutions: dict[str, onnx.NodeProto] = field(default_factory=dict)
    bounds: dict[str, onnx.NodeProto] = field(default_factory=dict)
    sums: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def result(self, output: str) -> str:
        """Return the name under which others read what the node with this output gives."""
        return str(self.bounds[output].output[0]) if output in self.bounds else output

    @property
    def tensors(self) -> list[str]:
        """Names of the activations whose ranges have to be known."""
        names = [str(node.input[0]) for node in self.convolutions.values()]
        names += [self.result(output) for output in (*self.convolutions, *self.sums)]
        return list(dict.fromkeys(names))


def plan_of(graph: onnx.GraphProto, layers: tuple[str, ...] = LAYERS) -> Plan:
    """Return which convolutions are to multiply in int8, and what goes with them.

    Args:
        graph: In float32, without branches.
        layers: Beginnings of the names of their weights.
    """
    held = {tensor.name for tensor in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    plan = Plan()
    for node in graph.node:
        output = node.output[0]
        is_wanted = node.op_type == "Conv" and node.input[1].startswith(layers) and node.input[1] in held
        if is_wanted and len(node.input) > 2 and node.input[2] in held:
            plan.convolutions[output] = node
            behind = users.get(output, [])
            if len(behind) == 1 and behind[0].op_type in _BOUNDS and output not in outputs:
                plan.bounds[output] = behind[0]
    levels = {plan.result(output) for output in plan.convolutions}
    for node in graph.node:
        if node.op_type == "Add" and levels.issuperset(node.input):
            plan.sums[node.output[0]] = node
            levels.add(node.output[0])
    return plan


def measure_ranges(proto: onnx.ModelProto, names: Iterable[str], feeds: Iterable[Feed]) -> dict[str, Range]:
    """Return the lowest and the highest value of each tensor over all feeds.

    Args:
        proto: A graph in float32 without branches.
        names: Of tensors in it.
        feeds: Inputs by name.

    Raises:
        ExportError: There is no feed, or a value is not finite.
    """
    names = list(names)
    asked = [f"{name}.{kind}" for name in names for kind in ("Min", "Max")]
    watched = onnx.ModelProto()
    watched.CopyFrom(proto)
    for name in names:
        for kind in ("Min", "Max"):
            watched.graph.node.append(helper.make_node(f"Reduce{kind}", [name], [f"{name}.{kind}"], keepdims=0))
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in asked)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    seen = [session.run(asked, dict(feed)) for feed in feeds]
    found = np.array(seen, np.float64).reshape(-1, len(names), 2)
    if not len(found) or not np.isfinite(found).all():
        raise ExportError("ranges of activations cannot be measured: no clip has a face, or a value is not finite")
    lowest, highest = found[..., 0].min(axis=0), found[..., 1].max(axis=0)
    return {name: (float(low), float(high)) for name, low, high in zip(names, lowest, highest, strict=True)}


def multiply_by_ranges(graph: onnx.GraphProto, plan: Plan, ranges: Mapping[str, Range]) -> None:
    """Change the graph in place so that what ``plan`` names is computed on levels.

    Args:
        graph: That which the plan was made of.
        plan: From ``plan_of``.
        ranges: Of all its tensors, from ``measure_ranges``.
    """
    writer = _Writer({tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}, ranges)
    bounds = {node.output[0] for node in plan.bounds.values()}
    for node in graph.node:
        output = node.output[0]
        if output in plan.convolutions:
            writer.convolve(node, plan.result(output))
        elif output in plan.sums:
            writer.add(node)
        elif output not in bounds:
            writer.nodes.append(node)
    nodes = list(writer.nodes)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(writer.constants)
    # A runtime fuses levels only if nobody else reads the floats between two layers.
    drop_unused(graph)


class _Writer:
    """Writes the nodes of a graph anew.

    Args:
        held: Initializers by name.
        ranges: Of activations by name.
    """

    def __init__(self, held: Mapping[str, NDArray[np.generic]], ranges: Mapping[str, Range]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._held = held
        self._ranges = ranges
        self._steps: dict[str, np.float32] = {}

    def convolve(self, node: onnx.NodeProto, result: str) -> None:
        """Write a convolution on levels whose result others read as ``result``."""
        given, weight, bias = node.input
        if given not in self._steps:
            self._to_levels(given, given)
        values, added = (self._held[name].astype(np.float32) for name in (weight, bias))
        levels, steps = channel_levels(values, np.abs(added) / (self._steps[given] * LARGEST_BIAS))
        bias_steps = (steps * self._steps[given]).astype(np.float32)
        bias_levels = np.rint(added.astype(np.float64) / bias_steps).astype(np.int32)
        inputs = [
            f"{given}.stepped",
            self._from_levels(f"{node.output[0]}.weight", levels, steps),
            self._from_levels(f"{node.output[0]}.bias", bias_levels, bias_steps),
        ]
        self._write(node, inputs, result)

    def add(self, node: onnx.NodeProto) -> None:
        """Write a sum of two things that are in levels."""
        self._write(node, [f"{name}.stepped" for name in node.input], node.output[0])

    def _write(self, node: onnx.NodeProto, inputs: list[str], result: str) -> None:
        made = onnx.NodeProto()
        made.CopyFrom(node)
        made.input[:], made.output[:] = inputs, [f"{result}.exact"]
        self.nodes.append(made)
        self._to_levels(result, f"{result}.exact")
        # Whoever computes in floats reads them under the old name.
        self.nodes.append(helper.make_node("Identity", [f"{result}.stepped"], [result]))

    def _to_levels(self, name: str, source: str) -> None:
        step, zero = activation_levels(*self._ranges[name])
        self._steps[name] = step
        how = [self._constant(f"{name}.step", np.array(step)), self._constant(f"{name}.zero_level", np.array(zero))]
        self.nodes += [
            helper.make_node("QuantizeLinear", [source, *how], [f"{name}.levels"]),
            helper.make_node("DequantizeLinear", [f"{name}.levels", *how], [f"{name}.stepped"]),
        ]

    def _from_levels(self, name: str, levels: NDArray[np.generic], steps: NDArray[np.float32]) -> str:
        inputs = [self._constant(f"{name}.levels", levels), self._constant(f"{name}.steps", steps)]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [name], axis=0))
        return name

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def activation_levels(lowest: float, highest: float) -> tuple[np.float32, np.uint8]:
    """Return the step between the levels of a tensor with this range, and the level of zero.

    Example:
        >>> [float(value) for value in activation_levels(0.0, 51.0)]
        [0.20000000298023224, 0.0]
    """
    lowest, highest = min(lowest, 0.0), max(highest, 0.0)
    step = np.float32(max(highest - lowest, _LEAST_RANGE) / ACTIVATION_LEVELS)
    return step, np.uint8(np.rint(-lowest / step).clip(0, ACTIVATION_LEVELS))


def channel_levels(
    weights: NDArray[np.float32], least: NDArray[np.floating]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 levels and the step of each output channel (the first axis), ``least`` (channels,) or more."""
    peaks = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    steps = np.maximum(np.where(peaks > 0, peaks / LARGEST_LEVEL, 1.0), least).astype(np.float32)
    return np.rint(weights / steps.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8), steps
