# SPDX-License-Identifier: Apache-2.0
"""Verdicts as JSON for programs: written from the records, read back, and described by a JSON Schema made of them.

Keys may be added under ``cad.verdict/1``, never renamed or removed; a reader passes over keys that it does not know.
``python -m cad.verdict.document`` prints the schema, which is shipped as ``cad/verdict/schema.json``.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import quote, unquote_to_bytes

from cad.errors import DocumentError, MediaError
from cad.verdict.records import SCHEMA, Verdict

#: Digits after the point that mean something.
DIGITS = 4
#: Of a path that is no text; the other keys are the records' fields.
PATH_BYTES = "path_bytes"
_PATH_BYTES_SCHEMA = {
    "type": "string",
    "description": "The path byte by byte, as a URL has it (%E9), only where it is no text: there ``path`` has U+FFFD "
    "in place of what no text can have.",
}
_SURROGATES = re.compile("[\ud800-\udfff]")
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def document_of(value: Any) -> Any:
    """Return a record, and all in it, as plain values that JSON can have.

    Numbers keep the digits that mean something; what is no text in a string (half of a surrogate pair, as Python has
    it for a name of other bytes) becomes U+FFFD.

    Example:
        >>> from cad.verdict.records import Segment
        >>> document_of(Segment(0.123456, 1.0, "video", 0.9))
        {'start_seconds': 0.1235, 'stop_seconds': 1.0, 'stream': 'video', 'probability_fake': 0.9}
    """
    if is_dataclass(value):
        return {_key(field): document_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {document_of(key): document_of(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [document_of(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None  # JSON has no word for the others
    return value


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return what is written for a file that was judged."""
    return {"schema": SCHEMA, **_path_keys(verdict.path), **document_of(verdict)}


def error_document(path: str, error: MediaError) -> dict[str, Any]:
    """Return what is written for a file that could not be read."""
    return {"schema": SCHEMA, **_path_keys(path), "error": document_of({"code": error.code, "text": error.text})}


def _path_keys(path: str) -> dict[str, str]:
    """Return the path as text, and byte by byte where it is none."""
    text = document_of(path)
    if text == path:
        return {"path": path}
    try:
        return {"path": text, PATH_BYTES: quote(os.fsencode(path))}
    except UnicodeEncodeError:  # no file has such a name
        return {"path": text}


def json_text(document: Any, indent: int | None = None) -> str:
    """Return a document as JSON text; with ``indent``, a list of numbers (a curve) stays on one line."""
    text = json.dumps(document, indent=indent, allow_nan=False)
    if indent is None:
        return text
    numbers = r"\[\s+((?:-?\d[\d.e+-]*|null)(?:,\s+(?:-?\d[\d.e+-]*|null))*)\s+\]"
    return re.sub(numbers, lambda found: "[" + re.sub(r",\s+", ", ", found[1]) + "]", text)


def read_verdict(text: str | bytes) -> Verdict:
    """Return the verdict in JSON text.

    Raises:
        DocumentError: The text is no verdict under the schema ``cad.verdict/1``; the message names the key.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"this is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DocumentError(f"this is no document under the schema {SCHEMA}")
    if "error" in document:
        told = _read(dict[str, str], document["error"], "error")
        raise DocumentError(f"this document tells of a file that could not be read: {told.get('text')}")
    if PATH_BYTES in document:
        path_bytes = unquote_to_bytes(_expect(document[PATH_BYTES], str, f"verdict.{PATH_BYTES}"))
        document["path"] = os.fsdecode(path_bytes)
    verdict: Verdict = _read(Verdict, document, "verdict")
    return verdict


@cache
def verdict_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``cad-detect --json`` prints for one file."""
    verdict = _schema_of(Verdict)
    path = {"path": verdict["properties"]["path"], PATH_BYTES: _PATH_BYTES_SCHEMA}
    verdict["properties"] = {"schema": {"const": SCHEMA}, **path, **verdict["properties"]}
    verdict["required"] = ["schema", *verdict["required"]]
    error = {
        "type": "object",
        "properties": {
            "schema": {"const": SCHEMA},
            **path,
            "error": {
                "type": "object",
                "properties": {"code": {"type": "string"}, "text": {"type": "string"}},
                "required": ["code", "text"],
            },
        },
        "required": ["schema", "path", "error"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "What cad-detect says of one file, or why it could not be read.",
        "oneOf": [verdict, error],
    }


def _key(field: Any) -> str:
    return str(field.metadata.get("key", field.name))


def _read(kind: Any, value: Any, where: str) -> Any:
    """Return ``value`` as ``kind``, a record or what records hold."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is UnionType:
        if value is None and NoneType in inside:
            return None
        return _read(next(one for one in inside if one is not NoneType), value, where)
    if origin is tuple:
        items = _expect(value, list, where)
        return tuple(_read(inside[0], one, f"{where}[{index}]") for index, one in enumerate(items))
    if origin is not None:  # a mapping from names
        return {key: _read(inside[1], one, f"{where}.{key}") for key, one in _expect(value, dict, where).items()}
    if is_dataclass(kind):
        record: Any = kind
        hints, document, given = get_type_hints(record), _expect(value, dict, where), {}
        for field in fields(kind):
            key = _key(field)
            if key in document:
                given[field.name] = _read(hints[field.name], document[key], f"{where}.{key}")
            elif field.default is MISSING and field.default_factory is MISSING:
                raise DocumentError(f"{where} lacks {key!r}")
        return record(**given)
    if issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise DocumentError(f"{where} is {value!r}; accepted are {', '.join(one.value for one in kind)}") from error
    if kind is float:
        try:
            return float(_expect(value, (int, float), where))
        except OverflowError as error:
            raise DocumentError(f"{where} is larger than any number may be") from error
    return _expect(value, kind, where)


def _expect(value: Any, kind: Any, where: str) -> Any:
    # JSON's true and false are no numbers, though Python's are.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DocumentError(f"{where} is {type(value).__name__}, which it must not be")
    return value


def _schema_of(kind: Any) -> dict[str, Any]:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return {"anyOf": [_schema_of(one) for one in inside]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(inside[0])}
    if origin is not None:
        return {"type": "object", "additionalProperties": _schema_of(inside[1])}
    if is_dataclass(kind):
        hints, about = get_type_hints(kind), _told_by(kind)
        return {
            "type": "object",
            "description": about.pop("", ""),
            "properties": {
                _key(field): _schema_of(hints[field.name]) | {"description": about.get(field.name, "")}
                for field in fields(kind)
            },
            "required": [_key(field) for field in fields(kind)],
        }
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    return {"type": _PLAIN[kind]}


def _told_by(kind: Any) -> dict[str, str]:
    """Return what a record's docstring says: of itself under "", and of each attribute."""
    text = " ".join(str(kind.__doc__).split("\n\n    Attributes:")[0].split())
    listed = re.findall(r"^        (\w+): ((?:.+)(?:\n            .+)*)", str(kind.__doc__), re.MULTILINE)
    return {"": text, **{name: " ".join(told.split()) for name, told in listed}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(verdict_schema()) + "\n")
