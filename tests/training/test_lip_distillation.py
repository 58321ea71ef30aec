# SPDX-License-Identifier: Apache-2.0
"""The lip encoder's teacher and its lessons, on made clips; MediaPipe itself is not needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tool_module import load_tool

from cad.data.shards import ClipStore
from cad.models.encoders.lip_shapes import LIP_POINT_COUNT
from cad.training import lip_distillation
from cad.training.lip_distillation import LipSamples, lip_loss, read_lip_labels


@pytest.fixture
def labels(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Labels as the tool leaves them, by a teacher that sees all points in the middle of the mouth."""
    tool = load_tool("data/label_lips")
    monkeypatch.setattr(tool, "lips_of", lambda frames: np.full((len(frames), 46, 2), (96.0, 124.0), np.float16))
    (shard,) = shards.glob("*.tar")
    assert tool.main([str(shard), "-o", str(tmp_path / "lips")]) == 0
    assert "16 clips" in capsys.readouterr().err
    assert tool.main([str(shard), "-o", str(tmp_path / "lips")]) == 0
    assert capsys.readouterr().err == "", "what is labelled is not labelled again"
    return tmp_path / "lips"


def test_points_of_the_mesh_are_those_of_the_encoder() -> None:
    assert len(load_tool("data/label_lips").LIP_POINTS) == LIP_POINT_COUNT


def test_lips_move_with_the_crop(shards: Path, labels: Path) -> None:
    lips = read_lip_labels(labels)
    assert set(lips) == {entry.key for entry in ClipStore(shards) if entry.has_frames}
    lips["av/train_real_0"][:, :, :] = np.nan
    samples = LipSamples(ClipStore(shards), lips, "train", 0)
    frames, places, known = samples.batch(8)
    assert frames.shape == (8, 12, 160, 160, 3) and frames.dtype == torch.uint8 and places.shape == (8, 12, 92)
    # 0 is the middle of the mouth; the crop moves by some pixels, in units of ten.
    assert places[known > 0].abs().max() < 2.5 and set(known.unique().tolist()) <= {0.0, 1.0}


def test_what_is_unknown_costs_nothing(rng: np.random.Generator) -> None:
    lips = torch.from_numpy(rng.normal(size=(2, 12, 92)).astype(np.float32))
    assert lip_loss(lips, lips, torch.ones(2, 12)) == 0
    known = torch.ones(2, 12)
    known[1] = 0
    seen = lips.clone()
    seen[1] += 5
    assert lip_loss(seen, lips, known) == 0


def test_the_tool_leaves_weights_and_what_is_done_is_not_done_again(
    shards: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, out = load_tool("training/distill_lips"), tmp_path / "run"
    words = ["--shards", str(shards), "--lips", str(labels), "-o", str(out), "--batch", "1", "--threads", "1"]
    assert tool.main([*words, "--steps", "2"]) == 0
    assert all(name.startswith("lip_encoder.") for name in load_file(out / "model.safetensors"))
    assert json.loads((out / "metrics.json").read_text())["step"] == 2
    monkeypatch.setattr(lip_distillation, "lip_loss", lambda *arguments: pytest.fail("a step was made again"))
    assert tool.main([*words, "--steps", "2"]) == 0
