# SPDX-License-Identifier: Apache-2.0
"""Turn a data set on disk into one manifest that training and evaluation read.

    python datasets/prepare.py fakeavceleb --root FakeAVCeleb_v1.2 -o fakeavceleb.parquet

What does not fit (files that the index names and the disk lacks, files on disk that no row names, rows that cannot be
read, repeated rows ...) is counted on standard error and written in full to <output>.problems.csv. Then the manifest is
checked; with a finding marked `error:` it is still written, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic

from cad.command import run_command
from cad.data.benchmarks.enrich import enriched, identity_splits, with_splits
from cad.data.benchmarks.registry import ADAPTERS, adapter
from cad.data.checks import Severity, check_manifest, findings_text
from cad.data.manifest import Manifest, Problem, Row, frame_of, read_manifest, write_manifest

HERE = Path(__file__).resolve().parent
SPLIT_LIST = "identity_split.csv"
#: Folders that a line of the summary names.
NAMED = 4
PROGRESS_SECONDS = 5.0


def main(words: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 written, 1 written but a check found an error, 2 usage or data."""
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
    """Scan, complete, write and check."""
    chosen = adapter(options.name)
    output = options.output or Path(f"{options.name}.parquet")
    # A folder that cannot be made is told before an hour's hashing.
    output.parent.mkdir(parents=True, exist_ok=True)
    scan = chosen.scan(options.root)
    problems = list(scan.problems)
    rows = iter(scan.rows)
    own = HERE / options.name / SPLIT_LIST
    if splits := options.identity_split or (own if own.is_file() else None):
        rows = with_splits(rows, identity_splits(splits), problems.append)
    completed = enriched(
        rows, options.root, hashes=not options.no_hash, durations=not options.no_probe, report=problems.append
    )
    write_manifest(frame_of(_counted(completed, len(scan.rows))), output, options.root)
    write_problems(problems, output.with_suffix(".problems.csv"))
    manifest = read_manifest(output, options.root)
    tell(output, manifest, problems)
    findings = check_manifest(manifest)
    print(findings_text(chosen.title, findings), file=sys.stderr)
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def write_problems(problems: Sequence[Problem], path: Path) -> None:
    """Write every problem, or remove a list that is out of date."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["kind", "path", "text"])
        writer.writerows([problem.kind, problem.path, problem.text] for problem in problems)


def tell(output: Path, manifest: Manifest, problems: Sequence[Problem]) -> None:
    """Print what was written by split and class, and count what was not by kind and folder."""
    print(f"{output}: {len(manifest.rows)} rows")
    for split, labels in manifest.rows.groupby("split", sort=False)["label"]:
        print(f"  {split or 'no split'}: {(labels == 0).sum()} real, {(labels == 1).sum()} fake")
    by_kind: dict[str, list[Problem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    for kind, found in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        first = found[0]
        print(
            f"prepare: {len(found)} x {kind}{_places(found)}, for instance {first.path}: {first.text}", file=sys.stderr
        )


def _places(problems: Sequence[Problem]) -> str:
    """Return in which top folders problems lie and how many in each, where that says more than one example."""
    tops = Counter(problem.path.split("/")[0] + "/" for problem in problems if "/" in problem.path.rstrip("/"))
    if len(problems) < 2 or not tops:
        return ""
    more = f" and {len(tops) - NAMED} more folders" if len(tops) > NAMED else ""
    return f" ({', '.join(f'{count} in {top}' for top, count in tops.most_common(NAMED))}{more})"


def _counted(rows: Iterable[Row], total: int) -> Iterator[Row]:
    """Yield rows, and print progress now and then."""
    told = monotonic()
    for number, row in enumerate(rows, start=1):
        if monotonic() - told > PROGRESS_SECONDS:
            told = monotonic()
            print(f"prepare: {number}/{total}", file=sys.stderr, flush=True)
        yield row


if __name__ == "__main__":
    raise SystemExit(main())
