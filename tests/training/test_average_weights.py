# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file
from tool_module import load_tool

from cad.command import ExitCode


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("training/average_weights")


def run_folder(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, str(folder / "model.safetensors"))
    return folder


def test_numbers_are_averaged_and_counts_taken_from_the_last(tool: ModuleType, tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", weight=torch.tensor([1.0, 2.0]), count=torch.tensor(3))
    two = run_folder(tmp_path / "two", weight=torch.tensor([3.0, 6.0]), count=torch.tensor(5))
    assert tool.main([str(one), str(two), "-o", str(tmp_path / "mean")]) == 0
    mean = load_file(str(tmp_path / "mean" / "model.safetensors"))
    assert mean["weight"].tolist() == [2.0, 4.0] and int(mean["count"]) == 5


def test_other_nets_are_refused_unless_only_the_common_part_is_asked_for(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = run_folder(tmp_path / "one", **{"face.weight": torch.ones(2), "lips.weight": torch.ones(2)})
    two = run_folder(tmp_path / "two", **{"face.weight": torch.zeros(2)})
    out = tmp_path / "mean"
    assert tool.main([str(one), str(two), "-o", str(out)]) == ExitCode.WEIGHTS
    assert "lips.weight" in capsys.readouterr().err and not out.exists()
    assert tool.main([str(one), str(two), "-o", str(out), "--part", "face."]) == 0
    assert load_file(str(out / "model.safetensors"))["face.weight"].tolist() == [0.5, 0.5]
