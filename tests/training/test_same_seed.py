# SPDX-License-Identifier: Apache-2.0
"""The same command with the same seed gives the same weights: in another process, whoever makes the samples."""

from __future__ import annotations

from pathlib import Path

import torch
from left_by_runs import assert_same_run
from safetensors.torch import load_file
from tiny_cad import SMALL_OPTIONS
from tiny_runs import config, fit_elsewhere

from cad.data.augment import AugmentOptions
from cad.models import save_checkpoint
from cad.training.data import CadData
from cad.training.nets import make_net
from cad.training.train_samples import WindowLengths


def test_two_processes_learn_the_same_weights(shards: Path, tmp_path: Path) -> None:
    runs = []
    # The speech encoder never learns, and nothing may stay at a random start.
    start = tmp_path / "start.safetensors"
    save_checkpoint(make_net("cad_small", pretrained=False, options=SMALL_OPTIONS), start)
    # Other memory, other hashes, and samples made by this process or by two workers.
    for name, memory, workers in (("one", "1", 0), ("two", "200", 2)):
        content = config(shards, tmp_path / name)
        content["model"] = {
            "net": {
                "class_path": "cad.training.nets.make_net",
                "init_args": {"name": "cad_small", "pretrained": False, "options": SMALL_OPTIONS},
            },
            "start_from": [{"path": str(start), "prefixes": ["speech_encoder."]}],
            "criterion": {"class_path": "cad.training.criterion.CadCriterion"},
            "stream_dropout": {"video": 0.1, "audio": 0.1},
            "optimizer": {"groups": [{"match": "*", "learning_rate": 0.001}]},
        }
        content["data"] |= {"batches": 6, "augment": True, "workers": workers}
        content["data"]["augmentation"] = {"video_codec": 1.0, "audio_codec": 1.0}
        words = ["--trainer.val_check_interval=3", "--trainer.accumulate_grad_batches=1"]
        done = fit_elsewhere(tmp_path / f"{name}.yaml", content, *words, PYTHONHASHSEED=memory, MALLOC_PERTURB_=memory)
        assert done.code == 0, done.err[-3000:]
        runs.append(tmp_path / name)
    assert_same_run(*runs)
    assert len(load_file(runs[0] / "model.safetensors")) > 100


def test_samples_are_the_same_whoever_makes_them(shards: Path) -> None:
    def batches(workers: int) -> list[dict[str, object]]:
        data = CadData(
            [str(shards)],
            batches=3,
            batch_size=2,
            workers=workers,
            lengths=WindowLengths(20, 12, 0.3),
            augmentation=AugmentOptions(video_codec=1.0, audio_codec=1.0),
        )
        return [
            {name: getattr(batch, name) for name in batch.__dataclass_fields__} for batch in data.train_dataloader()
        ]

    none, two = batches(0), batches(2)
    assert len(none) == len(two) == 3
    for one, other in zip(none, two, strict=True):
        for name, value in one.items():
            same = other[name]
            if isinstance(value, torch.Tensor):
                assert torch.equal(value.nan_to_num(-9), same.nan_to_num(-9)), name
            else:
                assert value == same
