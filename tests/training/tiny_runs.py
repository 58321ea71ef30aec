# SPDX-License-Identifier: Apache-2.0
"""Runs of the command line with a tiny net, in this process or in one of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from forked_runs import Job

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def config(shards: Path, folder: Path) -> dict[str, Any]:
    return {
        "seed_everything": 5,
        "run": {"folder": str(folder), "checkpoint_steps": 2, "torch_threads": 1, "average_decay": 0.9},
        "trainer": {
            "accelerator": "cpu",
            "val_check_interval": 6,
            "accumulate_grad_batches": 2,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
        },
        "model": {
            "net": {"class_path": "tiny.TinyNet"},
            "criterion": {"class_path": "tiny.TinyLosses"},
            "optimizer": {
                "groups": [{"match": "face.*", "learning_rate": 0.0}, {"match": "*", "learning_rate": 0.01}],
                "warmup_steps": 2,
            },
        },
        "data": {
            "shards": [str(shards)],
            "batches": 12,
            "batch_size": 3,
            "workers": 0,
            "augment": False,
            "lengths": {"slots": 20, "short_slots": 12, "short_share": 0.3},
        },
    }


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code (negative for a signal that killed it) and what it said."""

    code: int
    out: str
    err: str


def run_all(folder: Path, jobs: Sequence[Job], seconds: float = 600, **environment: str) -> list[Ended]:
    """Do the jobs one after the other, each in a process of its own; see ``forked_runs``."""
    (folder / "jobs.json").write_text(json.dumps([asdict(job) for job in jobs]))
    done = _python([str(HERE / "forked_runs.py"), str(folder / "jobs.json")], seconds, environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return [Ended(**end) for end in json.loads(done.stdout)]


def fit_elsewhere(path: Path, content: dict[str, Any], *words: str, **environment: str) -> Ended:
    """Do a run in a process of its own, started as a user starts it."""
    done = _python([str(ROOT / "tools" / "train.py"), *fit_words(path, content), *words], 600, environment)
    return Ended(done.returncode, done.stdout, done.stderr)


def fit_words(path: Path, content: dict[str, Any]) -> list[str]:
    """Write a configuration and return the words that train by it."""
    path.write_text(yaml.safe_dump(content))
    return ["fit", "--config", str(path)]


def _python(words: list[str], seconds: float, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
