# SPDX-License-Identifier: Apache-2.0
"""A run that is killed (as by a power cut) at any moment and gone on with is the run that was never stopped."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from forked_runs import Job
from left_by_runs import assert_same_run
from tiny_runs import config, fit_words, run_all

MOMENTS = 20


@pytest.mark.slow
def test_twenty_kills_change_nothing(shards: Path, tmp_path: Path) -> None:
    content = config(shards, tmp_path)
    content["data"]["batches"] = 24
    words = fit_words(tmp_path / "config.yaml", content)
    jobs = [Job([*words, f"--run.folder={tmp_path / 'whole'}"])]
    moments = np.random.default_rng(12).uniform(0.05, 1.0, MOMENTS)
    # By the clock, where every step saves, and by steps.
    often = ("--run.checkpoint_minutes=0.0002", "--run.checkpoint_steps=1", "--run.checkpoint_steps=3")
    for number, moment in enumerate(moments):
        run = [*words, f"--run.folder={tmp_path / str(number)}", "--run.checkpoint_steps=null", often[number % 3]]
        jobs += [Job(run, kill_at=float(moment)), Job([*run, "--run.resume=true"])]
    ends = run_all(tmp_path, jobs, 1500)
    cut, resumed = ends[1::2], ends[2::2]
    assert {end.code for end in (ends[0], *resumed)} == {0}, [end.err[-2000:] for end in resumed if end.code]
    assert {end.code for end in cut} <= {0, -signal.SIGKILL}
    assert sum(end.code != 0 for end in cut) >= 15
    for number in range(MOMENTS):
        assert_same_run(tmp_path / "whole", tmp_path / str(number))
