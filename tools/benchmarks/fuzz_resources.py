# SPDX-License-Identifier: Apache-2.0
"""Judge thousands of small files whose headers are valid but extreme, and measure what each costs.

Rates, leaps of the clock, sizes, counts, durations and delays are drawn by a seeded generator and written byte by byte,
with checksums that hold, so that the headers are taken at their word (extreme_*.py). Every file goes through the whole
product; every outcome must have a name, and memory and time must stay within what is promised for any file. The result
is written to docs/reliability/resources.json, from which the documents are filled (`tools/bench.py fuzz_resources`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from benchmarks.extreme_boxes import BOXES
from benchmarks.extreme_files import Made, Recipe
from benchmarks.extreme_pictures import PICTURES
from benchmarks.extreme_sounds import SOUNDS
from benchmarks.extreme_streams import STREAMS
from benchmarks.judging_process import MIB, Cost, JudgingProcess

from cad.media.limits import MediaLimits

#: Most resident memory of the process that judges.
PARENT_MIB = 850
#: A file may take this much longer than ``--timeout``.
LATE_SHARE = 0.2
WORST = 10
RECIPES: dict[str, Recipe] = {recipe.__name__: recipe for recipe in (*SOUNDS, *PICTURES, *BOXES, *STREAMS)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=2000, help="files to judge")
    parser.add_argument("--only", type=int, help="number of the one file to judge, to look at it again")
    parser.add_argument("--kinds", nargs="*", choices=list(RECIPES), default=list(RECIPES), help="kinds of files")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--timeout", type=float, default=20.0, help="the product's --timeout, in seconds")
    parser.add_argument("--jobs", type=int, default=1, help="files that are judged at the same time")
    parser.add_argument("--keep", type=Path, help="folder for the files that broke a bound, and for the one of --only")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Judge them and return the figures; ``ok`` is false if a bound did not hold."""
    numbers = range(arguments.count) if arguments.only is None else [arguments.only]
    chosen = [index for index in numbers if kind_of(index) in arguments.kinds]
    return fuzz(chosen, arguments.seed, arguments.timeout, arguments.keep, arguments.jobs)


def fuzz(
    numbers: Sequence[int], seed: int, timeout_seconds: float, keep: Path | None = None, jobs: int = 1
) -> dict[str, object]:
    """Judge the files of these numbers and return the figures."""
    found: dict[int, tuple[Made, Cost]] = {}
    broken: dict[int, list[str]] = {}
    began = time.monotonic()

    def judge(own: Sequence[int]) -> None:
        with tempfile.TemporaryDirectory(prefix="cad-extreme-") as folder, JudgingProcess(timeout_seconds) as process:
            for index in own:
                made = make(index, seed)
                path = Path(folder) / f"{index}{made.suffix}"
                path.write_bytes(made.content)
                cost = process.judge(path)
                found[index] = made, cost
                if wrong := broken_bounds(cost, timeout_seconds):
                    broken[index] = wrong
                    print(line_of(index, made, cost, wrong), file=sys.stderr, flush=True)
                if keep is not None and (wrong or len(numbers) == 1):
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / path.name).write_bytes(made.content)
                path.unlink()
                if len(found) % 100 == 0:
                    print(f"{len(found)} of {len(numbers)}: {len(broken)} beyond a bound", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(judge, numbers[job::jobs]) for job in range(jobs)]:
            done.result()
    costs = {index: found[index] for index in numbers}
    return {
        "files": len(numbers),
        "seed": seed,
        "timeout_seconds": timeout_seconds,
        "parent_bound_mib": PARENT_MIB,
        "child_bound_mib": MediaLimits().memory_bytes // MIB,
        "time_bound_seconds": timeout_seconds * (1 + LATE_SHARE),
        "kinds": {
            kind: row_of([costs[index] for index in own], sum(index in broken for index in own))
            for kind in RECIPES
            if (own := [index for index in costs if kind_of(index) == kind])
        },
        "all": row_of(list(costs.values()), len(broken)),
        "broken": [line_of(index, *costs[index], wrong) for index, wrong in sorted(broken.items())],
        "worst_memory": worst(costs, lambda cost: cost.parent_mib),
        "worst_time": worst(costs, lambda cost: cost.seconds),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "wall_seconds": round(time.monotonic() - began, 1),
        "ok": not broken,
    }


def kind_of(index: int) -> str:
    """Return the kind of the file of that number."""
    return list(RECIPES)[index % len(RECIPES)]


def make(index: int, seed: int) -> Made:
    """Return the file of that number."""
    return RECIPES[kind_of(index)](np.random.default_rng([seed, index]))


def broken_bounds(cost: Cost, timeout_seconds: float) -> list[str]:
    """Return which bounds a file broke, in words."""
    bounds = {
        f"{cost.parent_mib:.0f} MiB": cost.parent_mib > PARENT_MIB,
        f"{cost.child_mib:.0f} MiB in the child": cost.child_mib * MIB > MediaLimits().memory_bytes,
        f"{cost.seconds:.1f} s": cost.seconds > timeout_seconds * (1 + LATE_SHARE),
        cost.outcome: cost.outcome.startswith(("untyped", "stopped")),
    }
    return [told for told, is_broken in bounds.items() if is_broken]


def row_of(costs: Sequence[tuple[Made, Cost]], broken: int) -> dict[str, object]:
    """Return the figures of some files."""
    return {
        "files": len(costs),
        "beyond_a_bound": broken,
        "largest_bytes": max(len(made.content) for made, _ in costs),
        "parent_mib": round(max(cost.parent_mib for _, cost in costs)),
        "child_mib": round(max(cost.child_mib for _, cost in costs)),
        "seconds": round(max(cost.seconds for _, cost in costs), 1),
        "median_seconds": round(float(np.median([cost.seconds for _, cost in costs])), 2),
        "outcomes": dict(sorted(Counter(cost.outcome for _, cost in costs).items())),
    }


def worst(costs: dict[int, tuple[Made, Cost]], cost_of: Callable[[Cost], float]) -> list[str]:
    """Return the files that cost most, a line each."""
    order = sorted(costs, key=lambda index: -cost_of(costs[index][1]))
    return [line_of(index, *costs[index]) for index in order[:WORST]]


def line_of(index: int, made: Made, cost: Cost, wrong: Sequence[str] = ()) -> str:
    """Return what a file was and what it cost; ``--only`` with its number makes it again."""
    seconds = f"{cost.seconds:.1f} s ({cost.processor_seconds:.1f} s of the parent's processor)"
    figures = f"{cost.parent_mib:.0f} + {cost.child_mib:.0f} MiB, {seconds}, {cost.outcome}"
    beyond = f" BEYOND: {', '.join(wrong)}" if wrong else ""
    return f"--only {index} ({kind_of(index)}, {len(made.content)} bytes: {made.told}): {figures}{beyond}"
