# SPDX-License-Identifier: Apache-2.0
"""Turn a data set on disk into one manifest that training and evaluation read.

    python datasets/prepare.py fakeavceleb --root FakeAVCeleb_v1.2 -o fakeavceleb.parquet

What does not fit (files that the index names and the disk lacks, repeated rows, unknown classes ...) is counted on
standard error and written in full to <output>.problems.csv.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.benchmarks.enrich import enriched, identity_splits, with_splits
from cad.data.benchmarks.registry import ADAPTERS, adapter
from cad.data.checks import check_manifest, findings_text
from cad.data.manifest import Problem, frame_of, read_manifest, write_manifest

HERE = Path(__file__).resolve().parent
SPLIT_LIST = "identity_split.csv"


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 2 usage or data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("name", help=f"one of {', '.join(ADAPTERS)}")
    add("--root", type=Path, required=True, help="folder of the extracted archive")
    add("-o", "--output", type=Path, help=".parquet or .csv (default: NAME.parquet here)")
    add("--identity-split", type=Path, help="CSV with identity and split (default: the card's, where it has one)")
    add("--no-hash", action="store_true", help="do not hash the files")
    add("--no-probe", action="store_true", help="do not open the files for duration and frame rate")
    return run_command(lambda: prepare(parser.parse_args(words)), "prepare")


def prepare(options: argparse.Namespace) -> int:
    """Scan, complete, check and write."""
    chosen = adapter(options.name)
    scan = chosen.scan(options.root)
    problems = list(scan.problems)
    rows = iter(scan.rows)
    splits = options.identity_split or HERE / options.name / SPLIT_LIST
    if splits.is_file():
        rows = with_splits(rows, identity_splits(splits), problems.append)
    completed = enriched(
        rows, options.root, hashes=not options.no_hash, durations=not options.no_probe, report=problems.append
    )
    output = options.output or Path(f"{options.name}.parquet")
    table = frame_of(_counted(completed, len(scan.rows)))
    write_manifest(table, output, options.root)
    write_problems(problems, output.with_suffix(".problems.csv"))
    tell(output, len(table), problems)
    print(findings_text(chosen.title, check_manifest(read_manifest(output, options.root))), file=sys.stderr)
    return 0


def write_problems(problems: Sequence[Problem], path: Path) -> None:
    """Write every problem, or remove a list that is out of date."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["kind", "path", "text"])
        writer.writerows([problem.kind, problem.path, problem.text] for problem in problems)


def tell(output: Path, rows: int, problems: Sequence[Problem]) -> None:
    """Print what was written, and count what was not."""
    print(f"{output}: {rows} rows")
    for kind, count in Counter(problem.kind for problem in problems).most_common():
        first = next(problem for problem in problems if problem.kind == kind)
        print(f"prepare: {count} x {kind}, for instance {first.path}: {first.text}", file=sys.stderr)


def _counted(rows, total: int):
    """Yield rows, and print progress now and then."""
    for number, row in enumerate(rows, start=1):
        if number % 1000 == 0:
            print(f"prepare: {number}/{total}", file=sys.stderr, flush=True)
        yield row


if __name__ == "__main__":
    raise SystemExit(main())
