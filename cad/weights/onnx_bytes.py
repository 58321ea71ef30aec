# SPDX-License-Identifier: Apache-2.0
"""check_self_contained looks through an ONNX file for weights that lie elsewhere, before anything else opens it.

ONNX Runtime would load them from the current folder, or from an address in memory, where no sha256 covers them. The
core has no ``onnx`` package, so the file is walked here field by field (protobuf's wire format), down every path on
which a tensor may lie: graphs in graphs (If, Loop), functions and training graphs too.

Sources: https://protobuf.dev/programming-guides/encoding and onnx.proto (numbers of the fields).
"""

from __future__ import annotations

from cad.errors import WeightsError
from cad.weights.protobuf_fields import COUNTED, EIGHT_BYTES, FOUR_BYTES, VARINT, read_fields, varint

#: Messages inside one another; protobuf's own limit.
MAX_DEPTH = 100
#: Half a second of walking; the longest of the package has some 16 thousand.
MAX_FIELDS = 1_000_000
#: By message the numbers of the fields that lead to tensors, and which messages those are.
LEADS_TO_TENSORS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto",
        22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}  # fmt: skip
#: Of a tensor: where its data lies (a list of entries), and that they lie elsewhere (0: here).
EXTERNAL_DATA, DATA_LOCATION = 13, 14
#: Of a model: its notes; of a note: its key and its text.
METADATA_PROPS, NOTE_KEY, NOTE_VALUE = 14, 1, 2


def check_self_contained(content: bytes, name: str) -> None:
    """Check that every tensor of an ONNX file has its data in the file itself.

    Raises:
        WeightsError: One has not, or the bytes are no ONNX file.
    """
    try:
        is_whole = _is_self_contained(content)
    except (ValueError, IndexError) as error:
        raise WeightsError(f"{name}: this is not an ONNX file ({error})") from error
    if not is_whole:
        raise WeightsError(
            f"{name}: the ONNX file keeps weights outside of itself (external data), where no sha256 covers them; save "
            "it with all its weights inside"
        )


def _is_self_contained(content: bytes) -> bool:
    """Walk the file.

    Raises:
        ValueError: It is no protobuf message, is nested too deeply or has too many fields.
        IndexError: It ends within a field.
    """
    waiting = [("ModelProto", 0, len(content), 1)]
    count = 0
    while waiting:
        message, at, stop, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        inner = LEADS_TO_TENSORS[message]
        while at < stop:
            count += 1
            if count > MAX_FIELDS:
                raise ValueError(f"more than {MAX_FIELDS} fields")
            tag, at = varint(content, at)
            number, kind = tag >> 3, tag & 7
            value, size = 0, 0
            if kind == VARINT:
                value, at = varint(content, at)
            elif kind == COUNTED:
                size, at = varint(content, at)
            elif kind in (EIGHT_BYTES, FOUR_BYTES):
                size = 8 if kind == EIGHT_BYTES else 4
            else:
                raise ValueError(f"a field of kind {kind} at byte {at}")
            if number == 0 or at + size > stop:
                raise ValueError(f"a field that does not fit at byte {at}")
            if message == "TensorProto" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value)):
                return False
            if kind == COUNTED and number in inner:
                waiting.append((inner[number], at, at + size, depth + 1))
            at += size
    return True


def metadata_of(content: bytes, name: str) -> dict[str, str]:
    """Return the notes of an ONNX file (``metadata_props``) by key, past its weights and without a session.

    Raises:
        WeightsError: The bytes are no ONNX file.
    """
    found: dict[str, str] = {}
    try:
        for field in read_fields(content):
            if field.number == METADATA_PROPS:
                parts = {part.number: part.text for part in read_fields(field.content)}
                found[parts.get(NOTE_KEY, "")] = parts.get(NOTE_VALUE, "")
    except (ValueError, IndexError) as error:
        raise WeightsError(f"{name}: this is not an ONNX file ({error})") from error
    return found
