# SPDX-License-Identifier: Apache-2.0
"""write_kit writes the embedding kit: a folder with all that a program without this package needs to judge files."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from cad.errors import ExportError, SpecMismatchError
from cad.export.embedding.coarse import coarse_graph
from cad.export.embedding.constants import constants
from cad.export.embedding.crops import crop_graph
from cad.export.embedding.finds import find_graph
from cad.export.embedding.full import full_graph
from cad.export.embedding.graph_writer import IR_VERSION, OPSET
from cad.export.embedding.lips import lip_graph
from cad.export.embedding.looks import look_graph
from cad.export.embedding.nets import net_of
from cad.export.embedding.reference import JSON_NAME, NPZ_NAME, write_reference
from cad.faces import net, points
from cad.runtime.session import open_model
from cad.speech_net import DEFAULT_NET as SPEECH_NET
from cad.strict_json import parse_object
from cad.versions import installed_version
from cad.weights import WeightsEntry, default_detector, find_entry, read_verified
from cad.whole_files import folder_written_beside

SCHEMA = "cad.kit/1"
KIT_NAME, MODEL_NAME, SPEECH_NAME, FULL_NAME = "kit.json", "model.onnx", "speech.onnx", "cad_full.onnx"
GRAPHS = {
    "face_find.onnx": find_graph,
    "face_look.onnx": look_graph,
    "face_crop.onnx": crop_graph,
    "picture_coarse.onnx": coarse_graph,
    "lip_motion.onnx": lip_graph,
}
#: Vectors against which a program tests itself.
REFERENCE_NAMES = (NPZ_NAME, JSON_NAME)
#: All that a folder by this module holds.
FILES = (KIT_NAME, MODEL_NAME, SPEECH_NAME, FULL_NAME, *GRAPHS, *REFERENCE_NAMES)
#: Releases of ONNX Runtime and OpenVINO in which every graph was run and compared.
TESTED = {"onnxruntime": ["1.20.1", "1.32.0"], "openvino": ["2026.4.1"]}


def write_kit(weights: str | None, folder: Path) -> dict[str, Any]:
    """Write a kit, whole or not at all, and return what stands in its ``kit.json``.

    Args:
        weights: Name of a detector, or path of its folder or ONNX file; None takes the package's default.
        folder: Made; a kit that was written there before is replaced.

    Raises:
        WeightsError: Weights are unknown, damaged or no detector.
        ExportError: The graphs cannot be made, or the folder holds something else.
        OSError: The folder cannot be written.
    """
    check_replaceable(folder)
    with folder_written_beside(folder) as partial:
        return _fill(partial, default_detector() if weights is None else find_entry(weights))


def check_replaceable(folder: Path) -> None:
    """Check that nothing but a kit would be lost.

    Raises:
        ExportError: There is a file of that name, or a folder with anything else in it.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportError(f"{folder} is no folder; name another place for the kit")
    held = {entry.name for entry in folder.iterdir()}
    if not held:
        return
    try:
        is_ours = held <= set(FILES) and parse_object((folder / KIT_NAME).read_bytes()).get("schema") == SCHEMA
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        more = ", ".join((sorted(held - set(FILES)) or sorted(held))[:3])
        raise ExportError(f"{folder} is not a kit that was written here (it holds {more}); name another")


def _fill(folder: Path, entry: WeightsEntry) -> dict[str, Any]:
    """Write every file of a kit, and return its description."""
    if entry.kind != "detector":
        raise SpecMismatchError(f"{entry.name} are {entry.kind} weights; a detector is needed")
    detector = read_verified(entry)
    spec = open_model(detector, entry.name, device="cpu", threads=1).spec
    speech = find_entry(SPEECH_NET)
    (folder / MODEL_NAME).write_bytes(detector)
    (folder / SPEECH_NAME).write_bytes(read_verified(speech))
    for name, graph in GRAPHS.items():
        _save(graph(), folder / name)
    _save(full_graph(net_of(entry)), folder / FULL_NAME)
    nets = entry, find_entry(net.DEFAULT_NET), find_entry(points.DEFAULT_NET), speech
    description = {
        "schema": SCHEMA,
        "package": {"name": "cad-detect", "version": installed_version("cad-detect")},
        "model": spec.name,
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "tested_with": TESTED,
        "nets": {one.name: {"kind": one.kind, "sha256": one.sha256} for one in nets},
        "files": {path.name: _described(path) for path in sorted(folder.glob("*.onnx"))},
        "reference": write_reference(folder, spec),
        "spec": asdict(spec),
        "constants": constants(),
    }
    (folder / KIT_NAME).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return description


def _save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph that is sound.

    Raises:
        ExportError: It is not.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's errors share no root
        raise ExportError(f"{path.name}: the graph is not sound: {error}") from error
    path.write_bytes(model.SerializeToString(deterministic=True))


def _described(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    graph = onnx.load_from_string(content).graph
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "inputs": [_tensor(one) for one in graph.input],
        "outputs": [_tensor(one) for one in graph.output],
    }


def _tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """Return name, type and shape of an input or output; free sizes by their names, or null for one without."""
    tensor = value.type.tensor_type
    shape = [one.dim_param or (one.dim_value or None) for one in tensor.shape.dim]
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return {"name": value.name, "type": kind, "shape": shape}
