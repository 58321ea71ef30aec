# SPDX-License-Identifier: Apache-2.0
"""What it takes to load a net in several precisions, and to score windows, for `tools/bench.py precisions`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.window_cache import CachedClip

from cad.runtime.feeding import feed, has_audio, has_video
from cad.runtime.providers import Traits
from cad.weights.session import open_session

BATCHES = (1, Traits().batch_windows)
#: float32, against which everything is told.
REFERENCE = "fp32"
#: Wall and processor seconds, by precision.
Costs = dict[str, list[tuple[float, float]]]


def load_seconds(files: Mapping[str, Path], threads: int, repeats: int) -> tuple[Costs, dict[str, Any]]:
    """Return what it takes to open each file, in turns, and the last session of each."""
    sessions: dict[str, Any] = {}
    found: Costs = {name: [] for name in files}
    for _ in range(repeats):
        for name, file in files.items():
            content = file.read_bytes()
            sessions.pop(name, None)

            def load(name: str = name, content: bytes = content) -> None:
                sessions[name] = open_session(content, name, threads=threads)

            found[name].append(timed(load))
    return found, sessions


def time_windows(sessions: Mapping[str, Any], clips: Sequence[CachedClip], repeats: int) -> dict[int, Costs]:
    """Return what one call takes by size of the batch, all precisions in turns, on windows with both streams."""
    whole = [one for clip in clips for one in clip.windows if has_video(one) and has_audio(one)]
    length = statistics.mode(len(one.frames_present) for one in whole)
    whole = [one for one in whole if len(one.frames_present) == length]
    found: dict[int, Costs] = {}
    for batch in BATCHES:
        found[batch] = {name: [] for name in sessions}
        for turn in range(repeats + 1):
            inputs = feed([whole[(turn * batch + index) % len(whole)] for index in range(batch)])
            for name, session in sessions.items():
                cost = timed(lambda session=session, inputs=inputs: session.run(None, inputs))
                if turn:  # the first one makes room
                    found[batch][name].append(cost)
    return found


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def over(costs: Costs, name: str) -> dict[str, float]:
    """Return the median cost of one precision over that of float32."""
    own, reference = (np.median(np.array(costs[key]), axis=0) for key in (name, REFERENCE))
    return {kind: round(float(ratio), 3) for kind, ratio in zip(("wall", "processor"), own / reference, strict=True)}
