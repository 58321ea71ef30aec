# SPDX-License-Identifier: Apache-2.0
"""Lets an exported graph run its large face encoder only for batches in which some window has a face.

An exported graph computes every row, whatever is present (``cad.models.rows``). For a recording of speech that would
be most of the work, all of it on black pictures whose result counts for nothing. So the encoder becomes one branch of
an ``If``, whose other branch gives zeros.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: The encoder's first weights, by which its part of the graph is known, and what is as wide as a patch. (Weights that
#: many layers may share, such as norms that never learnt, have the name of any of them.)
_FIRST_WEIGHT = "model.large_face_encoder.net.patch_embed.proj.weight"
_PLACES = "model.large_face_encoder.net.pos_embed"
#: The input that says where faces are.
_PRESENT = "frames_present"
_PREFIX = "absent_faces."
#: The branch that computes the encoder.
_BRANCH = f"{_PREFIX}look"


def skip_absent_faces(graph: onnx.GraphProto) -> bool:
    """Change the graph in place where it has a large face encoder, and return whether it has one."""
    tokens = _tokens_of(graph)
    if tokens is None:
        return False
    inside = _only_for(graph, tokens)
    width = _width_of(graph)
    then = helper.make_graph(
        [node for node in graph.node if node.output[0] in inside],
        _BRANCH,
        [],
        [helper.make_tensor_value_info(tokens, TensorProto.FLOAT, None)],
    )
    zeros = numpy_helper.from_array(np.zeros((1, 1, width), np.float32), f"{_PREFIX}zeros")
    axis = numpy_helper.from_array(np.array([2], np.int64), f"{_PREFIX}axis")
    none = helper.make_graph(
        [
            helper.make_node("Unsqueeze", [_PRESENT, axis.name], [f"{_PREFIX}by_slot"]),
            helper.make_node("Mul", [f"{_PREFIX}by_slot", zeros.name], [f"{_PREFIX}nothing"]),
        ],
        f"{_PREFIX}pass_by",
        [],
        [helper.make_tensor_value_info(f"{_PREFIX}nothing", TensorProto.FLOAT, None)],
        [zeros, axis],
    )
    half = numpy_helper.from_array(np.array(0.5, np.float32), f"{_PREFIX}half")
    asked = [
        helper.make_node("ReduceMax", [_PRESENT], [f"{_PREFIX}most"], keepdims=0),
        helper.make_node("Greater", [f"{_PREFIX}most", half.name], [f"{_PREFIX}any"]),
        helper.make_node("If", [f"{_PREFIX}any"], [tokens], then_branch=then, else_branch=none),
    ]
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if tokens in node.output:
            nodes += asked
        elif node.output[0] not in inside:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.append(half)
    # What a branch computes is described in it, not outside.
    outside = [value for value in graph.value_info if value.name not in inside]
    del graph.value_info[:]
    graph.value_info.extend(outside)
    return True


def look_at_all(graph: onnx.GraphProto) -> None:
    """Put the encoder back among the other nodes, in place: the graph is what ``skip_absent_faces`` was given."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        branches = [item.g for item in node.attribute if item.name == "then_branch" and item.g.name == _BRANCH]
        nodes += branches[0].node if branches else [node]
    del graph.node[:]
    graph.node.extend(nodes)


def _tokens_of(graph: onnx.GraphProto) -> str | None:
    """Return the name of the encoder's result, (batch, time, width): the only gathered thing behind its first layer."""
    behind = {_FIRST_WEIGHT, f"{_FIRST_WEIGHT}.half"}  # the latter where it computes in float16
    for node in graph.node:
        if behind.intersection(node.input):
            if node.op_type == "GatherElements":
                return str(node.output[0])
            behind.update(node.output)
    return None


def _width_of(graph: onnx.GraphProto) -> int:
    """Return the features of a token: class token and mean of the patches."""
    return 2 * max(int(tensor.dims[-1]) for tensor in graph.initializer if tensor.name.startswith(_PLACES))


def _only_for(graph: onnx.GraphProto, tokens: str) -> set[str]:
    """Return the first outputs of the nodes that serve nothing but ``tokens`` and depend on the graph's inputs."""
    depends = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if depends.intersection(node.input):
            depends.update(node.output)
    wanted, needed = {tokens}, set()
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            if depends.intersection(node.output):
                needed.add(node.output[0])
    outputs = {value.name for value in graph.output}
    while True:
        used = {name for node in graph.node if node.output[0] not in needed for name in node.input} | outputs
        elsewhere = {
            node.output[0]
            for node in graph.node
            if node.output[0] in needed and tokens not in node.output and used.intersection(node.output)
        }
        if not elsewhere:
            return needed
        needed -= elsewhere
