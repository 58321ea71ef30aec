# SPDX-License-Identifier: Apache-2.0
"""Compare the scores of several detectors on the same rows: the same table for each, and paired tests.

    python tools/compare.py --manifest M.csv --split val ours=OURS.csv theirs=THEIRS.csv

A score file has the columns path and score (larger = fake). Only rows that all detectors scored are compared; others
are counted and named. Differences are bootstrapped over identities, the same draws for both detectors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import read_manifest
from cad.errors import OptionError
from cad.evaluation.comparison import compare_systems, comparison_markdown
from cad.evaluation.joining import read_scores


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 compared, 2 usage or data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("systems", nargs="+", metavar="NAME=SCORES[@THRESHOLD]")
    add("--manifest", type=Path, required=True)
    add("--split", help="rows of this split (default: all)")
    add("--resamples", type=int, default=1000)
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    return run_command(lambda: compare(options), "compare")


def compare(options: argparse.Namespace) -> int:
    """Print the comparison as Markdown."""
    rows = read_manifest(options.manifest).select(options.split).rows
    systems, thresholds = {}, {}
    for argument in options.systems:
        name, _, rest = argument.partition("=")
        path, _, threshold = rest.partition("@")
        if not rest:
            raise OptionError(f"{argument!r} must be NAME=SCORES, with @THRESHOLD behind it if it is not 0.5")
        systems[name], thresholds[name] = read_scores(Path(path)), float(threshold or 0.5)
    found = compare_systems(rows, systems, thresholds, resamples=options.resamples, seed=options.seed)
    for name, counts in found.problems.items():
        for kind, count in counts.items():
            print(f"compare: {name}: {count} x {kind}", file=sys.stderr)
    if found.left_out:
        print(f"compare: {found.left_out} rows without a score of every detector are left out", file=sys.stderr)
    print(comparison_markdown(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
