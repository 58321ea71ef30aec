# SPDX-License-Identifier: Apache-2.0
"""How much of the bare forward-backward speed the whole training loop keeps: ``python tools/bench.py train``.

Prints JSON: samples a second of the loop (loader, forging, augmentation, averaging, logging) and of the same net on
one batch that stays in memory, and their ratio. Exit code 1 where the ratio is below 0.9. Give the net and the loader
cores of their own: on 2 cores ``--run.torch_threads=1 --data.workers=1``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from benchmarks.full_size import wait
from lightning.pytorch import Callback

from cad.training.batches import Batch
from cad.training.cli import main, quieten
from cad.training.task import CadTask

ROOT = Path(__file__).resolve().parent.parent.parent
LEAST_RATIO = 0.9
PASSES_ON = True


class LoopClock(Callback):
    """Times the batches after the warm-up, and keeps one of them."""

    def __init__(self, warm_up: int) -> None:
        self._warm_up = warm_up
        self._started = 0.0
        self.seconds = 0.0
        self.batches = 0
        self.batch: Batch | None = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Count from the end of the warm-up."""
        self.batch = batch
        if batch_idx + 1 == self._warm_up:
            self._started = time.perf_counter()
        elif batch_idx + 1 > self._warm_up:
            self.seconds = time.perf_counter() - self._started
            self.batches = batch_idx + 1 - self._warm_up


def bare_seconds(task: CadTask, batch: Batch, batches: int, warm_up: int) -> float:
    """Return the time of ``batches`` steps on one batch: forward, losses, backward, optimizer."""
    learning = [parameter for parameter in task.net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-6)
    task.train()
    started = 0.0
    for number in range(batches + warm_up):
        if number == warm_up:
            wait(str(batch.frames.device))
            started = time.perf_counter()
        optimizer.zero_grad()
        task.training_loss(batch).total.backward()
        optimizer.step()
    wait(str(batch.frames.device))
    return time.perf_counter() - started


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default=str(ROOT / "configs" / "train" / "cad_small.yaml"))
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Time both; ``ok`` says whether the loop is fast enough. Unknown options go to the training."""
    quieten()
    with tempfile.TemporaryDirectory(prefix="cad-bench-") as folder:
        words = ["--config", options.config, "--model.start_from=[]", f"--run.folder={folder}"]
        words += [f"--data.batches={options.batches + options.warm_up}", "--trainer.limit_val_batches=0"]
        words += ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
        cli = main([*words, *options.more], run=False)
        clock = LoopClock(options.warm_up)
        cli.trainer.callbacks.insert(0, clock)  # type: ignore[attr-defined]
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert clock.batch is not None and isinstance(cli.model, CadTask)
    task = cli.model.to(clock.batch.frames.device)
    bare = bare_seconds(task, clock.batch, options.batches, options.warm_up)
    size = len(clock.batch)
    loop_rate, bare_rate = clock.batches * size / clock.seconds, options.batches * size / bare
    return {
        "config": Path(options.config).name,
        "device": str(clock.batch.frames.device),
        "torch_threads": torch.get_num_threads(),
        "batch_size": size,
        "loop_samples_per_second": round(loop_rate, 2),
        "bare_samples_per_second": round(bare_rate, 2),
        "ratio": round(loop_rate / bare_rate, 3),
        "ok": round(loop_rate / bare_rate, 3) >= LEAST_RATIO,
    }
