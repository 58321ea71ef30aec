# SPDX-License-Identifier: Apache-2.0
"""Decode, track and crop every clip of a manifest once, into shards for training.

    python tools/data/make_shards.py MANIFEST --root FOLDER --out SHARDS [--split train]

Rows go through the product's own reader and face tracker. A stopped run goes on where the last complete shard ended.
Rows that give no clip are listed in SHARDS/failures.tsv (path, reason, split), for training's ``--data.excused``.
Exit: 0 all rows are in the shards, 2 the manifest is not usable, 3 some rows are not in the shards.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cad.command import run_command
from cad.data.checks import TRAINING_SPLITS
from cad.data.clips import ClipReader
from cad.data.manifest import Row, read_manifest
from cad.data.shards import ShardWriter
from cad.errors import CadError

FAILURES_NAME = "failures.tsv"


def make_shards(rows: list[Row], root: Path, out: Path, prefix: str, shard_bytes: int) -> dict[str, str]:
    """Write the rows' clips and return the reason for each row that has none."""
    failures: dict[str, str] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True))
    with closing(ClipReader()) as reader, ShardWriter(out, prefix, shard_bytes) as writer, bar:
        for row in bar.track(rows, description=prefix):
            if row.path not in writer.done_keys:
                try:
                    writer.write(reader.read(root, row), row.as_text())
                except CadError as error:
                    failures[row.path] = " ".join(str(error).split())
    return failures


def keep_failures(out: Path, split: str, failures: dict[str, str]) -> None:
    """Write this split's failures beside those of the other splits."""
    path = out / FAILURES_NAME
    kept: list[list[str]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as stream:
            kept = [fields for fields in csv.reader(stream, delimiter="\t") if fields[2] != split]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerows(kept + [[name, reason, split] for name, reason in failures.items()])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path, help="where the files are; else as the manifest says, or its folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", action="append", help="may be repeated; train and val if not given")
    parser.add_argument("--only", default="", help="rows whose path starts so")
    parser.add_argument("--shard-megabytes", type=int, default=256)
    return run_command(lambda: shard(parser.parse_args(words)), "make_shards")


def shard(options: argparse.Namespace) -> int:
    splits = options.split or TRAINING_SPLITS
    manifest, others = read_manifest(options.manifest, options.root).in_splits(splits)
    for path in manifest.repeated_paths:
        print(f"{path}: in the manifest more than once; the first row is used", file=sys.stderr)
    if others:
        print(f"rows of other splits, passed over: {others}", file=sys.stderr)
    rows, failed = manifest.records(), 0
    for split in splits:
        chosen = [row for row in rows if row.split == split and row.path.startswith(options.only)]
        failures = make_shards(chosen, manifest.root, options.out, split, options.shard_megabytes * 2**20)
        keep_failures(options.out, split, failures)
        for path, reason in failures.items():
            print(f"{path}: {reason}", file=sys.stderr)
        print(f"{split}: {len(chosen) - len(failures)} of {len(chosen)} rows in {options.out}")
        failed += len(failures)
    return 3 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
