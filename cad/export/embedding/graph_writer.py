# SPDX-License-Identifier: Apache-2.0
"""GraphWriter writes ONNX graphs for the embedding kit in the manner of array code: ``x * 2 + y``.

A Value is the output of a node. Literals beside one become constants of its type. All sizes are int64 tensors of one
element, which can be joined to shapes and used as bounds of slices alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

#: The opset of the packaged detectors, the first with a GELU, and what ONNX Runtime 1.20 and OpenVINO read.
OPSET = 20
#: The version of the file format that the packaged detectors have; ONNX Runtime 1.20 reads no later one.
IR_VERSION = 10
#: "To the end" as the bound of a slice.
END = np.iinfo(np.int64).max

Size = Sequence[int | str]
_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Not", "IsNaN", "IsInf")


class Value:
    """A tensor of the graph that is written.

    Attributes:
        name: Of the tensor.
        dtype: Its type.
    """

    __slots__ = ("_writer", "dtype", "name")

    def __init__(self, writer: GraphWriter, name: str, dtype: DTypeLike) -> None:
        self._writer, self.name, self.dtype = writer, name, np.dtype(dtype)

    def __add__(self, other: object) -> Value:
        return self._writer.op("Add", self, other)

    def __sub__(self, other: object) -> Value:
        return self._writer.op("Sub", self, other)

    def __rsub__(self, other: float) -> Value:
        return self._writer.op("Sub", self._writer.constant(other, self.dtype), self)

    def __mul__(self, other: object) -> Value:
        return self._writer.op("Mul", self, other)

    def __truediv__(self, other: object) -> Value:
        return self._writer.op("Div", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self._writer.op("Div", self._writer.constant(other, self.dtype), self)

    def __floordiv__(self, other: object) -> Value:
        """Divide whole numbers that are not negative."""
        return self._writer.op("Div", self, other)

    def __mod__(self, other: object) -> Value:
        return self._writer.op("Mod", self, other)

    def __matmul__(self, other: object) -> Value:
        return self._writer.op("MatMul", self, other)

    def __neg__(self) -> Value:
        return self._writer.op("Neg", self)

    def __lt__(self, other: object) -> Value:
        return self._writer.op("Less", self, other)

    def __le__(self, other: object) -> Value:
        return self._writer.op("LessOrEqual", self, other)

    def __gt__(self, other: object) -> Value:
        return self._writer.op("Greater", self, other)

    def __ge__(self, other: object) -> Value:
        return self._writer.op("GreaterOrEqual", self, other)

    def __and__(self, other: Value) -> Value:
        return self._writer.op("And", self, other)

    def __or__(self, other: Value) -> Value:
        return self._writer.op("Or", self, other)

    def __invert__(self) -> Value:
        return self._writer.op("Not", self)

    def cast(self, dtype: DTypeLike) -> Value:
        """Return it as another type."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self if self.dtype == np.dtype(dtype) else self._writer.op("Cast", self, to=kind, dtype=dtype)

    def size(self, axis: int) -> Value:
        """Return the length of an axis, int64 (1,)."""
        return self._writer.op("Shape", self, start=axis, end=axis + 1, dtype=np.int64)

    def reshape(self, *shape: int | Value) -> Value:
        """Return it in another shape, of literals and sizes; -1 for the rest, 0 for what stands there now."""
        if all(isinstance(one, int) for one in shape):
            return self._writer.op("Reshape", self, np.array(shape, dtype=np.int64))
        return self._writer.op("Reshape", self, self._writer.joined(*shape))

    def part(self, start: int | Value, end: int | Value, axis: int, step: int | Value = 1) -> Value:
        """Return ``[start:end:step]`` along an axis."""
        bounds = (one if isinstance(one, Value) else np.array([one], dtype=np.int64) for one in (start, end))
        by = step if isinstance(step, Value) else np.array([step], dtype=np.int64)
        first, last = bounds
        return self._writer.op("Slice", self, first, last, np.array([axis], dtype=np.int64), by)

    def take(self, places: Value | int | Sequence[int], axis: int = 0) -> Value:
        """Return the parts at ``places`` along an axis; one place given as a number takes the axis away."""
        return self._writer.op(
            "Gather", self, places if isinstance(places, Value) else np.array(places, dtype=np.int64), axis=axis
        )

    def where(self, kept: Value) -> Value:
        """Return the parts along the first axis at which ``kept``, bool (length,), is true."""
        return self._writer.op("Compress", self, kept, axis=0)

    def transposed(self, *axes: int) -> Value:
        """Return it with its axes in another order."""
        return self._writer.op("Transpose", self, perm=list(axes))

    def widened(self, *axes: int) -> Value:
        """Return it with new axes of length 1."""
        return self._writer.op("Unsqueeze", self, np.array(axes, dtype=np.int64))

    def scalar(self) -> Value:
        """Return a tensor of one element without axes."""
        return self._writer.op("Reshape", self, np.zeros(0, dtype=np.int64))

    def total(self, *axes: int, keep: bool = False) -> Value:
        """Return the sum along axes."""
        return self._reduced("ReduceSum", axes, keep)

    def mean(self, *axes: int, keep: bool = False) -> Value:
        """Return the mean along axes."""
        return self._reduced("ReduceMean", axes, keep)

    def highest(self, *axes: int, keep: bool = False) -> Value:
        """Return the maximum along axes."""
        return self._reduced("ReduceMax", axes, keep)

    def lowest(self, *axes: int, keep: bool = False) -> Value:
        """Return the minimum along axes."""
        return self._reduced("ReduceMin", axes, keep)

    def _reduced(self, operator: str, axes: tuple[int, ...], keep: bool) -> Value:
        return self._writer.op(operator, self, np.array(axes, dtype=np.int64), keepdims=int(keep))

    def rounded(self) -> Value:
        """Return the nearest whole numbers, halves to the even one."""
        return self._writer.op("Round", self)

    def floored(self) -> Value:
        """Return the next whole numbers below."""
        return self._writer.op("Floor", self)

    def ceiled(self) -> Value:
        """Return the next whole numbers above."""
        return self._writer.op("Ceil", self)

    def root(self) -> Value:
        """Return the square root."""
        return self._writer.op("Sqrt", self)

    def absolute(self) -> Value:
        """Return the absolute value."""
        return self._writer.op("Abs", self)

    def at_least(self, other: object) -> Value:
        """Return the greater of the two."""
        return self._writer.op("Max", self, other)

    def at_most(self, other: object) -> Value:
        """Return the smaller of the two."""
        return self._writer.op("Min", self, other)


class GraphWriter:
    """Collects the nodes of one ONNX model.

    Args:
        name: Of its graph.

    Example:
        >>> writer = GraphWriter("double")
        >>> writer.output("y", writer.input("x", np.float32, ["length"]) * 2, ["length"])
        >>> [node.op_type for node in writer.model().graph.node]
        ['Mul', 'Identity']
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._scopes: list[list[onnx.NodeProto]] = [[]]
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._count = 0

    def input(self, name: str, dtype: DTypeLike, shape: Size) -> Value:
        """Return a new input of the model; text in ``shape`` names a free size."""
        self._inputs.append(_described(name, dtype, shape))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, shape: Size) -> None:
        """Make a value an output of the model."""
        self._scopes[0].append(helper.make_node("Identity", [value.name], [name], name=f"{name}_node"))
        self._outputs.append(_described(name, value.dtype, shape))

    def constant(self, value: Any, dtype: DTypeLike | None = None) -> Value:
        """Return a constant tensor."""
        array: NDArray[Any] = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = Value(self, self._fresh("constant"), array.dtype)
            self._constants.append(numpy_helper.from_array(array, self._known[key].name))
        return self._known[key]

    def op(self, operator: str, *inputs: object, dtype: DTypeLike | None = None, **attributes: Any) -> Value:
        """Return the only or first output of a new node.

        Args:
            operator: Of the standard set.
            inputs: Values, arrays, or numbers, which take the type of the first Value; None leaves an input out.
            dtype: Of the output; None for that of the first Value, or bool for a comparison.
            attributes: Of the node.
        """
        return self.ops(operator, *inputs, dtypes=[dtype], **attributes)[0]

    def ops(self, operator: str, *inputs: object, dtypes: Sequence[DTypeLike | None], **attributes: Any) -> list[Value]:
        """Return the outputs of a new node, one for each of ``dtypes``; the rest as ``op``."""
        first = next((one.dtype for one in inputs if isinstance(one, Value)), np.dtype(np.float32))
        names = [self._named(one, first) for one in inputs]
        usual = np.dtype(bool) if operator in _COMPARISONS else first
        made = [Value(self, self._fresh(operator), usual if dtype is None else dtype) for dtype in dtypes]
        outputs = [one.name for one in made]
        # Named, as every node: ONNX Runtime 1.20 makes new nodes of old ones' names, and two of no name clash.
        self._scopes[-1].append(helper.make_node(operator, names, outputs, name=f"{outputs[0]}_node", **attributes))
        return made

    def joined(self, *parts: int | Value, axis: int = 0) -> Value:
        """Return parts one behind another along an axis; a literal stands for an int64 tensor of one element."""
        values = [self.constant([one], np.int64) if isinstance(one, int) else one for one in parts]
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def stacked(self, *parts: Value, axis: int) -> Value:
        """Return parts along a new axis."""
        return self.joined(*(one.widened(axis) for one in parts), axis=axis)

    def choice(self, condition: Value, yes: object, no: object) -> Value:
        """Return ``yes`` where the condition holds, else ``no``; one of the two is a Value."""
        dtype = next(one.dtype for one in (yes, no) if isinstance(one, Value))
        values = [one if isinstance(one, Value) else self.constant(one, dtype) for one in (yes, no)]
        return self.op("Where", condition, *values, dtype=dtype)

    def counted(self, length: Value) -> Value:
        """Return 0, 1, ... below ``length``, int64 (length,)."""
        return self.op("Range", self.constant(0, np.int64), length.scalar(), self.constant(1, np.int64))

    def for_each(self, count: Value, body: Callable[[Value], Sequence[tuple[Value, Size]]]) -> list[Value]:
        """Return what ``body`` gives for 0, 1, ... below ``count``, stacked along a new first axis.

        Args:
            count: int64 (1,), at least 1: with none, runtimes do not agree on the shape of nothing.
            body: Takes the index, int64 (1,), and gives values with their shapes.
        """
        index, on = self._fresh("index"), self._fresh("on")
        self._scopes.append([])
        inputs = [_described(index, np.int64, []), _described(on, bool, [])]
        given = body(Value(self, index, np.int64).reshape(1))
        stays = self.op("Identity", Value(self, on, bool))
        outputs = [_described(stays.name, bool, [])]
        for value, shape in given:
            result = self.op("Identity", value)
            outputs.append(_described(result.name, value.dtype, shape))
        graph = helper.make_graph(self._scopes.pop(), self._fresh("each"), inputs, outputs)
        yes = self.constant(np.array(True))
        return self.ops("Loop", count.scalar(), yes, dtypes=[value.dtype for value, _ in given], body=graph)

    def inlined(self, model: onnx.ModelProto, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """Return the outputs of another model, whose nodes become nodes of this one.

        Args:
            model: Of opset OPSET.
            inputs: For each of its inputs a value.
        """
        prefix = f"{self._fresh(model.graph.name or 'net')}/"
        inner = onnx.GraphProto()
        inner.CopyFrom(model.graph)
        _rename(inner, prefix)
        nodes = self._scopes[-1]
        for name, value in inputs.items():
            nodes.append(helper.make_node("Identity", [value.name], [prefix + name], name=f"{prefix}{name}_node"))
        nodes += inner.node
        self._constants += inner.initializer
        kinds = {one.name: one.type.tensor_type.elem_type for one in inner.output}
        return {
            name.removeprefix(prefix): Value(self, name, helper.tensor_dtype_to_np_dtype(kind))
            for name, kind in kinds.items()
        }

    def model(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """Return the model, with ``metadata`` in it."""
        graph = helper.make_graph(self._scopes[0], self._name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_operatorsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="cad-detect", ir_version=IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return model

    def _named(self, given: object, dtype: np.dtype[Any]) -> str:
        if given is None:
            return ""
        if isinstance(given, Value):
            return given.name
        return self.constant(given, given.dtype if isinstance(given, np.ndarray) else dtype).name

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def _described(name: str, dtype: DTypeLike, shape: Size) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))


def _rename(graph: onnx.GraphProto, prefix: str) -> None:
    """Put a prefix before every name of a graph and of the graphs in it, which may use names of the outer one."""
    for one in (*graph.input, *graph.output, *graph.initializer):
        one.name = prefix + one.name
    del graph.value_info[:]
    for index, node in enumerate(graph.node):
        node.name = f"{prefix}{node.name or node.op_type}_{index}"
        for names in (node.input, node.output):
            names[:] = [prefix + name if name else "" for name in names]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _rename(inner, prefix)
