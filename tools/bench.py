# SPDX-License-Identifier: Apache-2.0
"""Run one of the benchmarks in tools/benchmarks: ``python tools/bench.py NAME [options]``.

A benchmark is a module with ``add_arguments(parser)`` and ``run(arguments) -> dict`` of measured figures, or with a
``main(arguments) -> exit status`` that does all by itself. The figures are printed as JSON, and written to a file with
--out; the exit status is 1 when they hold ``"ok": false``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
BENCHMARKS = sorted(path.stem for path in (TOOLS / "benchmarks").glob("*.py") if path.stem != "__init__")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that is named and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    first = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    first.add_argument("name", choices=BENCHMARKS)
    name = first.parse_args(given[:1]).name
    for folder in (TOOLS.parent, TOOLS):
        sys.path.insert(0, str(folder))
    benchmark = importlib.import_module(f"benchmarks.{name}")  # only this one: others need torch
    if not hasattr(benchmark, "run"):
        return int(benchmark.main(given[1:]))
    parser = argparse.ArgumentParser(prog=f"bench.py {name}", description=benchmark.__doc__)
    benchmark.add_arguments(parser)
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    chosen = parser.parse_args(given[1:])
    figures = benchmark.run(chosen)
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.out is not None:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0 if figures.get("ok", True) else 1


if __name__ == "__main__":
    raise SystemExit(main())
