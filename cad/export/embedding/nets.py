# SPDX-License-Identifier: Apache-2.0
"""Gives the packaged nets as ONNX models of the kit's opset, to be built into larger graphs."""

from __future__ import annotations

import onnx
from onnx import version_converter

from cad.errors import ExportError
from cad.export.embedding.graph_writer import OPSET
from cad.weights import WeightsEntry, find_entry, read_verified


def packaged_net(name: str) -> onnx.ModelProto:
    """Return the packaged weights of a name.

    Raises:
        WeightsError: There are none, or they are damaged.
        ExportError: They cannot be brought to the opset.
    """
    return net_of(find_entry(name))


def net_of(entry: WeightsEntry) -> onnx.ModelProto:
    """Return weights as a model of opset OPSET.

    Raises:
        WeightsError: They are damaged.
        ExportError: They cannot be brought to the opset.
    """
    model = onnx.load_from_string(read_verified(entry))
    opsets = {one.domain: one.version for one in model.opset_import}
    if set(opsets) != {""}:
        raise ExportError(f"{entry.name}: the net has operators beyond the standard ones: {', '.join(sorted(opsets))}")
    if opsets[""] == OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # its errors share no root
        raise ExportError(f"{entry.name}: the net cannot be brought to opset {OPSET}: {error}") from error
