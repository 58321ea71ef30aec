# SPDX-License-Identifier: Apache-2.0
"""write_reference gives a kit its reference vectors: made inputs of every stage and what this package says of them.

A program in any language tests itself against them, stage by stage. They hold no clip: pictures and sounds come from
formulas. The form, for ``reference.json`` and ``reference.npz`` alike, is in docs/embedding.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cad.export.embedding.reference_faces import face_cases
from cad.export.embedding.reference_media import media_cases
from cad.export.embedding.reference_model import model_cases
from cad.export.embedding.reference_records import Case
from cad.export.embedding.reference_verdicts import verdict_cases
from cad.spec import ModelSpec

SCHEMA = "cad.reference/1"
NPZ_NAME, JSON_NAME = "reference.npz", "reference.json"
#: Entry of the ``.npz`` with everything that is no array, as UTF-8.
DOCUMENT = "document"


@dataclass(slots=True)
class _Arrays:
    """Collects the arrays of a document, each under the path at which it stands."""

    found: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def moved(self, value: Any, where: str) -> Any:
        """Return ``value`` with a name in place of every array."""
        if isinstance(value, np.ndarray):
            self.found[where] = value
            return {"array": where}
        if isinstance(value, Mapping):
            return {key: self.moved(one, f"{where}/{key}") for key, one in value.items()}
        return value


def write_reference(folder: Path, spec: ModelSpec) -> dict[str, str]:
    """Write the reference vectors into a kit whose graphs are there, and return their sha256 by file name.

    Args:
        folder: Of the kit.
        spec: Of its model.
    """
    cases = list(all_cases(folder, spec))
    arrays = _Arrays()
    listed = [arrays.moved(_plain(case), f"{case.stage}/{case.name}") for case in cases]
    document = {"schema": SCHEMA, "model": spec.name, "cases": listed}
    text = np.frombuffer(json.dumps(document).encode(), np.uint8)
    held: dict[str, Any] = {DOCUMENT: text, **arrays.found}
    np.savez_compressed(folder / NPZ_NAME, **held)
    written = _with_arrays(document, lambda name: _as_json(arrays.found[name]))
    (folder / JSON_NAME).write_text(json.dumps(written, separators=(",", ":")) + "\n", encoding="utf-8")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (NPZ_NAME, JSON_NAME)}


def all_cases(folder: Path, spec: ModelSpec) -> Iterator[Case]:
    """Yield every case, in the order of the way from a file to its verdict."""
    yield from media_cases(spec)
    yield from face_cases(folder)
    yield from model_cases(folder)
    yield from verdict_cases(spec)


def _plain(case: Case) -> dict[str, Any]:
    return {
        "stage": case.stage,
        "name": case.name,
        "inputs": dict(case.inputs),
        "outputs": dict(case.outputs),
        "tolerance": dict(case.tolerance),
    }


def _with_arrays(value: Any, array_of: Callable[[str], Any]) -> Any:
    """Return a document with what ``array_of`` gives in place of the name of every array."""
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return array_of(value["array"])
        return {key: _with_arrays(one, array_of) for key, one in value.items()}
    return [_with_arrays(one, array_of) for one in value] if isinstance(value, list) else value


def _as_json(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return an array as JSON has it: row by row, the least byte of a number first."""
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(raw.tobytes()).decode("ascii"),
    }
