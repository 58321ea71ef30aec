# SPDX-License-Identifier: Apache-2.0
"""Lets the encoders of an exported graph compute in float16, for graphics cards: inputs and outputs stay as they are.

ONNX Runtime has hardly a kernel for it on a processor: there an operator is computed in float32 between two casts,
which is slower than the float32 file. (``onnxruntime.transformers.float16`` does not do here: between two nodes that
it is told to leave in float32 it rounds to float16 all the same, and the logarithm of a quiet spectrum becomes minus
infinity.)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cad.export.widening import drop_unused

#: Encoders, by their weights' names. The heads behind them cost little.
_ENCODERS = "_encoder."
#: Heads, likewise: by matrices and kernels, for vectors of a net that never learnt may be shared under any name.
_HEADS = ("model.align.", "model.video_head.", "model.audio_head.", "model.fusion.")
#: The first layer of the sound: the spectrum before it spans 80 dB, which eleven bits do not hold.
_SOUND_STARTS = "model.speech_encoder.conv1.weight"
#: Operators that take no float16, or whose float inputs are always float32.
_FLOAT_ONLY = ("Range", "Resize", "ConstantOfShape", "Loop", "If", "Scan")


def compute_in_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with its encoders in float16.

    Args:
        proto: In float32, without branches (see ``cad.export.widening``); it is not changed.
    """
    half = onnx.ModelProto()
    half.CopyFrom(proto)
    graph = half.graph
    layers = [output for node in graph.node if any(_ENCODERS in name for name in node.input) for output in node.output]
    spectrum = [node.input[0] for node in graph.node if _SOUND_STARTS in node.input]
    heads = {tensor.name for tensor in graph.initializer if tensor.name.startswith(_HEADS) and len(tensor.dims) > 1}
    inside = _made_by(graph, layers) - _made_by(graph, spectrum) - _behind(graph, heads)
    inside -= {node.output[0] for node in graph.node if node.op_type in _FLOAT_ONLY}
    floats = _floats(half)
    constants = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    read_outside = {name for node in graph.node if node.output[0] not in inside for name in node.input}
    read_outside |= {value.name for value in graph.output}
    nodes: list[onnx.NodeProto] = []
    narrow: set[str] = set()
    for node in graph.node:
        if node.output[0] not in inside:
            nodes.append(node)
            continue
        for name in dict.fromkeys(node.input):
            if name in floats and name not in narrow:
                narrow.add(name)
                if name in constants:
                    values = numpy_helper.to_array(constants[name]).astype(np.float16)
                    graph.initializer.append(numpy_helper.from_array(values, f"{name}.half"))
                else:
                    nodes.append(helper.make_node("Cast", [name], [f"{name}.half"], to=TensorProto.FLOAT16))
        node.input[:] = [f"{name}.half" if name in floats else name for name in node.input]
        made = [name for name in node.output if name in floats]
        narrow.update(made)
        node.output[:] = [f"{name}.half" if name in floats else name for name in node.output]
        for item in node.attribute:
            if node.op_type == "Cast" and item.name == "to" and item.i == TensorProto.FLOAT:
                item.i = TensorProto.FLOAT16
        nodes.append(node)
        back = [name for name in made if name in read_outside]
        nodes += [helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT) for name in back]
    ordered = onnx.GraphProto()
    ordered.node.extend(nodes)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(ordered.node)
    drop_unused(graph)
    return half


def _floats(proto: onnx.ModelProto) -> set[str]:
    """Return the names of all float32 tensors."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    found = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _made_by(graph: onnx.GraphProto, names: Iterable[str]) -> set[str]:
    """Return the first outputs of all nodes that have a part in making these tensors."""
    maker = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        node = maker.get(wanted.pop())
        if node is not None and node.output[0] not in found:
            found.add(node.output[0])
            wanted += node.input
    return found


def _behind(graph: onnx.GraphProto, names: set[str]) -> set[str]:
    """Return the first outputs of all nodes in whose making these tensors have a part."""
    reached, found = set(names), set()
    for node in graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
            found.add(node.output[0])
    return found
