# SPDX-License-Identifier: Apache-2.0
"""Weights to start training from that somebody made to mislead or to harm: named, and nothing else is opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto
from safetensors.torch import save_file
from tiny_model import tiny_onnx

from cad.errors import OptionError, WeightsError
from cad.models.checkpoint import CONFIG_KEY, load_checkpoint
from cad.training.packaged import read_packaged
from cad.training.start import read_weights


def test_a_pipe_is_no_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(OptionError, match="no regular file"):
        read_weights(tmp_path / "pipe.safetensors")


@pytest.mark.parametrize("text", ["[" * sys.getrecursionlimit(), "[]", '{"name": "cad_small", "window_frames": NaN}'])
def test_a_configuration_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={CONFIG_KEY: text})
    with pytest.raises(WeightsError, match="configuration cannot be read"):
        load_checkpoint(tmp_path)


def test_an_onnx_file_with_weights_outside_is_no_start(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_onnx())
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret.bin")
    model.graph.initializer.append(tensor)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="outside of itself"):
        read_packaged(tmp_path / "model.onnx", torch.nn.Linear(1, 1))
