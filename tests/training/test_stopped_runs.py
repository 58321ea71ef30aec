# SPDX-License-Identifier: Apache-2.0
"""Runs that are asked to stop save first and say how to go on; what goes on is the run that was never stopped."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_runs import Job
from left_by_runs import assert_same_run
from tiny_runs import Ended, config, fit_words, run_all

from cad.errors import DataError
from cad.training.checkpoints import newest_whole

PLACES = [(number, place) for number in (signal.SIGINT, signal.SIGTERM) for place in ("train", "validation")]
TORN = ("last.ckpt", "model.safetensors", "best/model.safetensors")


@dataclass(frozen=True, slots=True)
class Runs:
    """What the jobs below left and said, by name."""

    folder: Path
    ends: dict[str, Ended]

    def of(self, name: str) -> tuple[Path, Ended]:
        return self.folder / name, self.ends[name]


@pytest.fixture(scope="module")
def runs(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    jobs: dict[str, Job] = {}

    def add(name: str, run: str, callback: str = "", halve: tuple[str, ...] = (), **arguments: Any) -> None:
        content = config(shards, folder / run)
        if callback:
            content["trainer"]["callbacks"] = [{"class_path": f"tiny.{callback}", "init_args": arguments}]
        if name.startswith("signal_train"):
            content["data"]["workers"] = 2
        if name.startswith("signal"):
            content["run"]["checkpoint_steps"] = 1000
        words = fit_words(folder / f"{name}.yaml", content)
        resume = ["--run.resume=true"] if name != run else []
        jobs[name] = Job([*words, *resume], halve=[str(folder / run / torn) for torn in halve])

    add("whole", "whole")
    for number, place in PLACES:
        run = f"signal_{place}_{number}"
        # In the middle of gradients that are being summed, and in the middle of a validation.
        add(run, run, "Signalled", number=int(number), place=place, after=5)
        add(f"{run}_on", run)
    add("twice", "twice", "SignalledTwice")
    add("torn", "torn", "Killed", after=9)
    add("torn_on", "torn", halve=TORN)
    add("full", "full", "DiskFull", after=5)
    return Runs(folder, dict(zip(jobs, run_all(folder, list(jobs.values())), strict=True)))


@pytest.mark.parametrize(("number", "place"), PLACES)
def test_a_signal_saves_and_says_how_to_go_on(runs: Runs, number: int, place: str) -> None:
    name = f"signal_{place}_{number}"
    run, stopped = runs.of(name)
    assert stopped.code == 128 + number, stopped.err[-3000:]
    assert not stopped.out
    assert all(line.startswith(("cad.training.", "train: ")) for line in stopped.err.splitlines()), stopped.err
    assert f"stopped at step 3 and saved {run / 'last.ckpt'}; to go on: python tools/train.py fit " in stopped.err
    assert stopped.err.rstrip().endswith("--run.resume=true")
    resumed = runs.ends[f"{name}_on"]
    assert resumed.code == 0, resumed.err[-3000:]
    assert f"going on from {run / 'last.ckpt'}, step 3" in resumed.err
    assert_same_run(runs.folder / "whole", run)


def test_a_second_signal_ends_it_at_once(runs: Runs) -> None:
    run, twice = runs.of("twice")
    assert twice.code == 130 and "once more ends it at once" in twice.err
    assert (run / "heard_one").exists() and not (run / "heard_two").exists() and not (run / "last.ckpt").exists()


def test_two_checkpoints_are_kept_and_what_is_torn_is_passed_over(runs: Runs) -> None:
    run, killed = runs.of("torn")
    assert killed.code == -signal.SIGKILL
    resumed = runs.ends["torn_on"]
    assert resumed.code == 0, resumed.err[-3000:]
    assert f"{run / 'last.ckpt'} is torn; going on from {run / 'previous.ckpt'}, step 2" in resumed.err
    assert f"{run / 'model.safetensors'} is torn" in resumed.err
    assert f"{run / 'best'} was torn" in resumed.err
    assert_same_run(runs.folder / "whole", run)
    kept = [torch.load(runs.folder / "whole" / name, weights_only=True) for name in ("last.ckpt", "previous.ckpt")]
    assert [checkpoint["global_step"] for checkpoint in kept] == [6, 6]


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.999, "flipped", "zeros"])
def test_every_kind_of_torn_checkpoint_is_seen(runs: Runs, tmp_path: Path, keep: float | str) -> None:
    whole_run, _ = runs.of("whole")
    data = bytearray((whole_run / "last.ckpt").read_bytes())
    if keep == "flipped":
        state = torch.load(whole_run / "last.ckpt", weights_only=True)["state_dict"]
        data[data.index(state["net.heads.weight"].numpy().tobytes()) + 1] ^= 1
    elif keep == "zeros":
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    else:
        data = data[: int(keep * len(data)) if isinstance(keep, float) else int(keep)]
    (tmp_path / "last.ckpt").write_bytes(data)
    with pytest.raises(DataError, match=r"last\.ckpt is torn"):
        newest_whole(tmp_path)
    shutil.copy(whole_run / "previous.ckpt", tmp_path)
    found = newest_whole(tmp_path)
    assert found is not None and found.path.name == "previous.ckpt"


def test_a_full_disk_is_one_line_and_costs_nothing_that_was_there(runs: Runs) -> None:
    run, full = runs.of("full")
    assert full.code == 2, full.err[-3000:]
    assert "Traceback" not in full.err
    [line] = [line for line in full.err.splitlines() if line.startswith("train:")]
    assert "cannot be written, and what was there stays: File too large" in line
    assert not list(run.rglob("*.part"))
    found = newest_whole(run)
    assert found is not None and found.path.name == "last.ckpt" and found.step == 2


def test_what_a_run_leaves_can_be_read_by_the_group(runs: Runs) -> None:
    whole, _ = runs.of("whole")
    modes = {str(path.relative_to(whole)): path.stat().st_mode & 0o777 for path in whole.rglob("*") if path.is_file()}
    assert {"last.ckpt", "previous.ckpt", "model.safetensors", "best/model.safetensors", "run.json"} <= modes.keys()
    assert set(modes.values()) == {0o666 & ~umask()}, modes


def umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
