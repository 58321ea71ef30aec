# SPDX-License-Identifier: Apache-2.0
"""Decode, track and crop every clip of a manifest once, into shards for training.

    python tools/data/make_shards.py MANIFEST --root FOLDER --out SHARDS [--split train] [--jobs 8]

Rows go through the product's own reader and face tracker. A stopped run goes on where it was. Rows that give no clip
are listed in SHARDS/failures.tsv (path, reason, prefix, bytes of the file), where training finds them.
Exit: 0 all rows are in the shards, 2 the manifest is not usable, 3 some rows are not in the shards.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from cad.command import run_command
from cad.data.checks import TRAINING_SPLITS
from cad.data.manifest import read_manifest
from cad.data.sharding import FAILURES_NAME, make_shards
from cad.data.shards import DEFAULT_SHARD_BYTES
from cad.errors import DataError

#: Failures that are printed; all are in the list.
SHOWN = 20


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="CSV or Parquet, see docs/training.md")
    parser.add_argument("--root", type=Path, help="where the files are; else as the manifest says, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--split", action="append", help="may be repeated; train and val if not given")
    parser.add_argument("--only", default="", help="rows whose path starts so")
    parser.add_argument("--prefix", help="of the shards' names; the manifest's name if not given")
    parser.add_argument("--jobs", type=int, default=0, help="processes; one a core if not given")
    parser.add_argument(
        "--shard-megabytes", type=int, default=DEFAULT_SHARD_BYTES // 2**20, help="at which a shard is closed"
    )
    parser.add_argument("--coding", choices=("jpeg", "raw"), default="jpeg", help="raw: pixels as they are")
    return run_command(lambda: shard(parser.parse_args(words)), "make_shards")


def shard(options: argparse.Namespace) -> int:
    manifest, others = read_manifest(options.manifest, options.root).in_splits(options.split or TRAINING_SPLITS)
    for path in manifest.repeated_paths:
        print(f"{path}: in the manifest more than once; the first row is used", file=sys.stderr)
    if others:
        print(f"rows of other splits, passed over: {others}", file=sys.stderr)
    rows = [row for row in manifest.records() if row.path.startswith(options.only)]
    if not rows:
        raise DataError(
            f"{options.manifest}: no row is in these splits and has a path that begins with {options.only!r}"
        )
    failures = make_shards(
        rows,
        manifest.root,
        options.out,
        options.prefix or options.manifest.stem,
        jobs=options.jobs,
        shard_bytes=options.shard_megabytes * 2**20,
        coding=options.coding,
    )
    for path, reason in islice(failures.items(), SHOWN):
        print(f"{path}: {reason}", file=sys.stderr)
    if len(failures) > SHOWN:
        print(f"and {len(failures) - SHOWN} more, see {options.out / FAILURES_NAME}", file=sys.stderr)
    print(f"{len(rows) - len(failures)} of {len(rows)} rows in {options.out}")
    return 3 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
