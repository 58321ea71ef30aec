# SPDX-License-Identifier: Apache-2.0
"""The large face encoder of an exported graph runs only where there is a face, and says the same as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_cad import tiny_base, tiny_small, windows

from cad.export.absent_faces import look_at_all, skip_absent_faces
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.export.precision import store_weights_as
from cad.spec import INPUTS, OUTPUTS


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(7)
    made = tiny_base(lip_options={"net_width": 16}, prototypes=8)
    with torch.no_grad():
        for parameter in made.parameters():  # the exporter keeps one of equal tensors, and norms begin alike
            parameter.add_(0.01 * torch.randn_like(parameter))
    return made


@pytest.fixture(scope="module")
def graph(model):
    return export_graph(model, spec_of(model.config, "tiny", {}))


def opened(proto: onnx.ModelProto, folder: Path, dtype: str) -> onnxruntime.InferenceSession:
    store_weights_as(proto, folder / "model.onnx", dtype)
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("faces", [(1, 1), (0, 1), (0, 0)])
def test_it_says_what_the_net_says_whatever_is_there(model, graph, tmp_path: Path, faces: tuple[int, int]) -> None:
    torch.manual_seed(3)
    given = list(windows(2, 12))
    given[2] = given[2] * torch.tensor(faces).unsqueeze(1)
    with torch.no_grad():
        said = model(*given)
    found = opened(graph, tmp_path, "fp32").run(
        list(OUTPUTS), dict(zip(INPUTS, (x.numpy() for x in given), strict=True))
    )
    for name, value in zip(OUTPUTS, found, strict=True):
        np.testing.assert_allclose(value, getattr(said, name).numpy(), atol=2e-4, rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("dtype", ["fp32", "fp16_compute", "int8"])
def test_the_transformer_is_in_the_branch_and_nothing_that_others_need(graph, tmp_path: Path, dtype: str) -> None:
    store_weights_as(graph, tmp_path / "model.onnx", dtype)
    stored = onnx.load(tmp_path / "model.onnx").graph
    (branch,) = [node for node in stored.node if node.op_type == "If"]
    then = next(item.g for item in branch.attribute if item.name == "then_branch")
    held = {name for node in then.node for name in node.input}
    layers = {tensor.name for tensor in stored.initializer if tensor.name.startswith("model.large_face_encoder.")}
    assert len(layers & held) > 10
    # What is made of constants alone stays outside, where it is done once.
    constant = {tensor.name for tensor in stored.initializer}
    for node in stored.node:
        if set(node.input) <= constant:
            constant.update(node.output)
        else:
            assert not layers & set(node.input), node.name


def test_the_encoder_can_be_put_back(graph) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(graph)
    assert skip_absent_faces(proto.graph) and len(proto.graph.node) < len(graph.graph.node)
    look_at_all(proto.graph)
    before, after = ({node.SerializeToString() for node in one.graph.node} for one in (graph, proto))
    assert before <= after and "If" not in {node.op_type for node in proto.graph.node}


def test_a_graph_without_such_an_encoder_stays_as_it_is() -> None:
    model = tiny_small()
    proto = export_graph(model, spec_of(model.config, "tiny", {}))
    before = proto.SerializeToString()
    assert not skip_absent_faces(proto.graph) and proto.SerializeToString() == before
