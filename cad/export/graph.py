# SPDX-License-Identifier: Apache-2.0
"""Gives a network as an ONNX graph with the inputs and outputs that cad.spec names."""

from __future__ import annotations

import logging
import warnings

import onnx
import torch
from torch import Tensor, nn

from cad.clock import SAMPLES_PER_FRAME
from cad.errors import ExportError
from cad.models import Net
from cad.spec import INPUTS, METADATA_KEY, OUTPUTS, ModelSpec

#: The first opset with a GELU operator, and one that ONNX Runtime 1.20 runs.
OPSET = 20
EXPORTED_BATCH, EXPORTED_TIME = 2, 50
#: Shorter windows run as well (parity is checked on one slot); tracing alone wants more than one token of each kind.
TRACED_MIN_TIME, TRACED_MAX_TIME, TRACED_MAX_BATCH = 8, 8192, 4096


class _Outputs(nn.Module):
    """The network with a plain tuple in the order of OUTPUTS as its result."""

    def __init__(self, model: Net) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, frames: Tensor, audio: Tensor, frames_present: Tensor, audio_present: Tensor
    ) -> tuple[Tensor, ...]:
        output = self.model(frames, audio, frames_present, audio_present)
        return tuple(getattr(output, name) for name in OUTPUTS)


def export_graph(model: Net, spec: ModelSpec) -> onnx.ModelProto:
    """Return the graph of a network in evaluation mode, batch and time free, with its spec in the metadata.

    Raises:
        ExportError: PyTorch cannot trace or translate it.
    """
    longest = min(TRACED_MAX_TIME, model.max_slots or TRACED_MAX_TIME)
    batch = torch.export.Dim("batch", max=TRACED_MAX_BATCH)
    time = torch.export.Dim("time", min=TRACED_MIN_TIME, max=longest)
    shapes = ({0: batch, 1: time}, {0: batch, 1: SAMPLES_PER_FRAME * time}, {0: batch, 1: time}, {0: batch, 1: time})
    size = (EXPORTED_BATCH, EXPORTED_TIME)
    example = (
        torch.zeros(*size, 160, 160, 3, dtype=torch.uint8),
        torch.zeros(EXPORTED_BATCH, EXPORTED_TIME * SAMPLES_PER_FRAME),
        torch.ones(size),
        torch.ones(size),
    )
    # The exporter reports its progress and its own deprecations through warnings and the root logger.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(_Outputs(model.eval()), example, dynamic_shapes=shapes)
            translated = torch.onnx.export(
                program, input_names=INPUTS, output_names=OUTPUTS, opset_version=OPSET, dynamo=True, verbose=False
            )
    except Exception as error:
        raise ExportError(f"PyTorch could not export {model.config.name}: {error}") from error
    if translated is None:
        raise ExportError(f"PyTorch returned no graph for {model.config.name}")
    proto = translated.model_proto
    _strip_traces(proto)
    onnx.helper.set_model_props(proto, {METADATA_KEY: spec.to_json()})
    return proto


def _strip_traces(proto: onnx.ModelProto) -> None:
    """Remove stack traces: they are as long as the graph and name the folders of the machine that exported it."""
    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        del graph.metadata_props[:]
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
