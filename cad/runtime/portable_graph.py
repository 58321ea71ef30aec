# SPDX-License-Identifier: Apache-2.0
"""Rewrites a packaged graph, as it is opened, for ONNX Runtime's providers for other devices than the plain CPU.

Two things in it are not for them:

- ``cad.export.integer_products`` writes the linear layers of the large transformer as products of integers, which a CPU
  does faster. CUDA's provider would hand every one of those layers to the CPU and back, OpenVINO's fails while it
  runs. The same int8 weights widened to float32 say the same but for the rounding of what is multiplied with them.
- A ``Clip`` of whole numbers with a lower bound alone gives 0 in OpenVINO (2025.4); ``Max`` means the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cad.errors import WeightsError
from cad.weights.protobuf_fields import Field, counted_field, joined, read_fields, string_field

#: Numbers of fields in onnx.proto.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT, _VALUE_NAME = 7, 1, 12, 1
_INPUT, _OUTPUT, _OPERATOR, _ATTRIBUTE, _ATTRIBUTE_GRAPH = 1, 2, 4, 5, 6
#: The attribute ``to`` of a Cast, FLOAT: name, the value 1, and that it is an integer.
_TO_FLOAT = string_field(1, "to") + b"\x18\x01\xa0\x01\x02"


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of a graph, and its names."""

    field: Field
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    used_inside: frozenset[str]


def portable(content: bytes, name: str) -> bytes:
    """Return an ONNX file that means the same and holds nothing that other providers lack or get wrong.

    Args:
        content: The file, which has been checked to hold all its weights.
        name: For messages.

    Raises:
        WeightsError: The bytes are no ONNX file.
    """
    try:
        return joined(
            counted_field(_MODEL_GRAPH, _rewritten(field.content)) if field.number == _MODEL_GRAPH else field
            for field in read_fields(content)
        )
    except (ValueError, IndexError, RecursionError) as error:
        raise WeightsError(f"{name}: this is not an ONNX file ({error})") from error


def _rewritten(graph: bytes | memoryview) -> bytes:
    """Return a graph, with the graphs in it, whose nodes are portable."""
    fields = list(read_fields(graph))
    nodes = [_node(_with_inner_graphs(field)) for field in fields if field.number == _GRAPH_NODE]
    products = dict(_products(nodes))
    widened: set[str] = set()
    made: list[_Node] = []
    for node in nodes:
        product = products.get(node.outputs[0]) if node.outputs and node.operator == "Reshape" else None
        if product is None:
            made.append(_bounded_once(node))
            continue
        given, matrix = product
        if matrix not in widened:
            widened.add(matrix)
            made += _widening(matrix)
        made.append(_made("MatMul", [given, f"{matrix}.float"], node.outputs[0]))
    named = [name for field in fields if field.number == _GRAPH_OUTPUT for name in _texts(field.content, _VALUE_NAME)]
    kept = _needed(made, named) if products else made
    return joined([*(node.field for node in kept), *(field for field in fields if field.number != _GRAPH_NODE)])


def _products(nodes: Sequence[_Node]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what each product of integers makes in the end, and of which values and which matrix."""
    for node in nodes:
        if node.operator != "MatMulInteger":
            continue
        levels, matrix, total = node.inputs[0], node.inputs[1], node.outputs[0]
        if levels.endswith(".bytes") and matrix.endswith(".levels") and total.endswith(".sum"):
            yield total.removesuffix(".sum"), (levels.removesuffix(".bytes"), matrix.removesuffix(".levels"))


def _bounded_once(node: _Node) -> _Node:
    """Return Max or Min for a Clip with one bound, and any other node as it is."""
    if node.operator == "Clip" and len(node.outputs) == 1:
        match [*node.inputs, "", ""][:3]:
            case [value, bound, ""] if bound:
                return _made("Max", [value, bound], node.outputs[0])
            case [value, "", bound] if bound:
                return _made("Min", [value, bound], node.outputs[0])
    return node


def _widening(matrix: str) -> list[_Node]:
    """Return the nodes that make a matrix of its levels and the scale of each column; a session does so once."""
    wide = f"{matrix}.wide_levels"
    return [
        _made("Cast", [f"{matrix}.levels"], wide, _TO_FLOAT),
        _made("Mul", [wide, f"{matrix}.scales"], f"{matrix}.float"),
    ]


def _needed(nodes: Sequence[_Node], outputs: Sequence[str]) -> list[_Node]:
    """Return the nodes of a graph, which stand in order, without those that nothing uses any more."""
    used, kept = set(outputs), []
    for node in reversed(nodes):
        if used.intersection(node.outputs):
            kept.append(node)
            used.update(node.inputs, node.used_inside)
    return kept[::-1]


def _made(operator: str, inputs: Sequence[str], output: str, attribute: bytes | None = None) -> _Node:
    parts = [counted_field(_INPUT, name.encode()) for name in inputs]
    parts += [counted_field(_OUTPUT, output.encode()), counted_field(_OPERATOR, operator.encode())]
    if attribute is not None:
        parts.append(counted_field(_ATTRIBUTE, attribute))
    return _node(counted_field(_GRAPH_NODE, joined(parts)))


def _node(field: Field) -> _Node:
    inputs, outputs, operators = (_texts(field.content, number) for number in (_INPUT, _OUTPUT, _OPERATOR))
    inner = [name for part in read_fields(field.content) for name in _names_inside(part)]
    return _Node(field, "".join(operators), tuple(inputs), tuple(outputs), frozenset(inner))


def _with_inner_graphs(field: Field) -> Field:
    """Return a node whose attributes that are graphs have been rewritten."""
    parts = list(read_fields(field.content))
    if not any(_is_graph(one) for part in parts if part.number == _ATTRIBUTE for one in read_fields(part.content)):
        return field
    changed = (
        counted_field(_ATTRIBUTE, joined(_with_rewritten(part.content))) if part.number == _ATTRIBUTE else part
        for part in parts
    )
    return counted_field(_GRAPH_NODE, joined(changed))


def _with_rewritten(attribute: bytes | memoryview) -> Iterator[Field]:
    for part in read_fields(attribute):
        yield counted_field(part.number, _rewritten(part.content)) if _is_graph(part) else part


def _is_graph(part: Field) -> bool:
    return part.number == _ATTRIBUTE_GRAPH


def _names_inside(attribute: Field) -> Iterator[str]:
    """Yield every name that the graph of an attribute uses, some of which may come from around it."""
    if attribute.number != _ATTRIBUTE:
        return
    for part in filter(_is_graph, read_fields(attribute.content)):
        for field in read_fields(part.content):
            if field.number == _GRAPH_NODE:
                node = _node(field)
                yield from (*node.inputs, *node.used_inside)
            elif field.number == _GRAPH_OUTPUT:
                yield from _texts(field.content, _VALUE_NAME)


def _texts(message: bytes | memoryview, number: int) -> list[str]:
    return [field.text for field in read_fields(message) if field.number == number]
