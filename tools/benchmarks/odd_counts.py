# SPDX-License-Identifier: Apache-2.0
"""count_wrong gives the benchmarks of odd files their figures: how many were wrong, in all and by what is odd."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tried:
    """What came of one odd file.

    Attributes:
        path: The file, which is removed once it has been counted.
        told: How it was made, in a line.
        kinds: What is odd about it.
        wrong: What was wrong, in words; empty if all was right.
    """

    path: Path
    told: str
    kinds: list[str]
    wrong: list[str]


def add_arguments(parser: argparse.ArgumentParser, count: int) -> None:
    """Add what such a benchmark takes; ``count`` is its number of files."""
    parser.add_argument("--count", type=int, default=count, help="files to try")
    parser.add_argument("--first", type=int, default=0, help="number of the first one, to look at it again")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--keep", type=Path, help="folder for files of which something was wrong")


def count_wrong(arguments: argparse.Namespace, attempt: Callable[[int], Tried]) -> dict[str, object]:
    """Try the files of these numbers and return the figures; ``ok`` is false if anything was wrong."""
    began = time.monotonic()
    kinds, wrong_kinds = Counter[str](), Counter[str]()
    wrong: list[str] = []
    for done, index in enumerate(range(arguments.first, arguments.first + arguments.count), start=1):
        tried = attempt(index)
        kinds.update(tried.kinds)
        if tried.wrong:
            wrong_kinds.update(tried.kinds)
            wrong.append(f"{index}: {'; '.join(tried.wrong)} | {tried.told}")
            print(wrong[-1], file=sys.stderr)
            if arguments.keep is not None:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (arguments.keep / tried.path.name).write_bytes(tried.path.read_bytes())
        tried.path.unlink()
        if done % 100 == 0:
            print(f"{done} of {arguments.count}: {len(wrong)} wrong", file=sys.stderr)
    return {
        "files": arguments.count,
        "seed": arguments.seed,
        "wrong": len(wrong),
        "wrong_files": wrong[:20],
        "kinds": {kind: {"files": count, "wrong": wrong_kinds[kind]} for kind, count in sorted(kinds.items())},
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "wall_seconds": round(time.monotonic() - began, 1),
        "ok": not wrong,
    }
