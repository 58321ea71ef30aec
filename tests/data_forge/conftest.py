# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from requirements import require

from cad.data.forge.learned import FOLDER_VARIABLE, VOCODER_HOP, VOCODER_MELS


@pytest.fixture(scope="session", autouse=True)
def stand_in_forgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Networks with the inputs and outputs of trained forgers: a blur, and a linear map from mel to samples."""
    require("train")
    import onnx

    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    folder = tmp_path_factory.mktemp("forgers")

    def save(name: str, nodes: list, given: tuple, made: tuple, constants: list) -> None:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(nodes, name, [value(*given)], [value(*made)], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / name)

    blur = helper.make_node("AveragePool", ["patches"], ["drawn"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    shape = ["slots", 3, 96, 96]
    save("autoencoder_blur.onnx", [blur], ("patches", 1, shape), ("drawn", 1, shape), [])
    weight = np.random.default_rng(0).normal(0, 0.003, (VOCODER_HOP, VOCODER_MELS, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["mel", "weight"], ["wide"]),
        helper.make_node("Transpose", ["wide"], ["long"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["long", "flat"], ["loud"]),
        helper.make_node("Tanh", ["loud"], ["said"]),
    ]
    constants = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(np.array([1, -1], dtype=np.int64), "flat"),
    ]
    save("vocoder_linear.onnx", nodes, ("mel", 1, [1, VOCODER_MELS, "frames"]), ("said", 1, [1, "samples"]), constants)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield folder
