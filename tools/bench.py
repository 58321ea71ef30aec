# SPDX-License-Identifier: Apache-2.0
"""Run one of the benchmarks in tools/benchmarks: ``python tools/bench.py NAME [options]``.

A benchmark is a module with ``add_arguments(parser)`` and ``run(arguments) -> dict`` of measured figures; one that
says ``PASSES_ON = True`` gets options that it does not know as ``arguments.more``. The figures are printed as JSON, and
written to a file with --out; the exit status is 1 when they hold ``"ok": false``. One that says
``OUT_IS_FOLDER = True`` writes its files itself, into the folder that --out names, while it measures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from cad.command import run_command
from cad.whole_files import written_beside

FOLDER = Path(__file__).resolve().parent / "benchmarks"
BENCHMARKS = sorted(path.stem for path in FOLDER.glob("*.py") if "def run(" in path.read_text(encoding="utf-8"))


def main(words: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if words is None else words)
    first = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    first.add_argument("name", choices=BENCHMARKS)
    name = first.parse_args(given[:1]).name
    benchmark = importlib.import_module(f"benchmarks.{name}")  # only this one: others need torch
    parser = argparse.ArgumentParser(prog=f"bench.py {name}", description=benchmark.__doc__)
    benchmark.add_arguments(parser)
    in_folder = getattr(benchmark, "OUT_IS_FOLDER", False)
    help_of_out = "folder for all that is measured" if in_folder else "also write the figures to this JSON file"
    parser.add_argument("--out", type=Path, help=help_of_out)
    chosen, chosen.more = parser.parse_known_args(given[1:])
    if chosen.more and not getattr(benchmark, "PASSES_ON", False):
        parser.error(f"unrecognized arguments: {' '.join(chosen.more)}")
    return run_command(lambda: measure(benchmark, chosen), f"bench {name}")


def measure(benchmark: ModuleType, chosen: argparse.Namespace) -> int:
    figures = benchmark.run(chosen)
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.out is not None and not getattr(benchmark, "OUT_IS_FOLDER", False):
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(chosen.out) as part:
            part.write_text(text + "\n", encoding="utf-8")
    return 0 if figures.get("ok", True) else 1


if __name__ == "__main__":
    raise SystemExit(main())
