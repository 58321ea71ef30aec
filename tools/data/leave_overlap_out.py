# SPDX-License-Identifier: Apache-2.0
"""Make of further recordings or pictures a manifest to train on, without what the judged rows of another one know.

    python tools/data/leave_overlap_out.py built/manifest.csv --judged MANIFEST --split val --most 40 -o further.csv
    python tools/data/leave_overlap_out.py built/manifest.csv --judged MANIFEST --pictures -o pictures.csv

The first is a CSV with a row a recording: path (or out_path), label, and method, identity, source, sha256 as far as
known. A row is left out if a row of the split has its source (page), its identity (speaker), its method (system, of a
forged one) or its bytes; how many share what is printed. Of each source and class at most --most rows are kept,
spread over speakers and systems. All rows are for training; their sound is as their label says, or with --pictures
their picture, of whose sound nothing is known unless the columns video_fake and audio_fake say more.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cad.command import run_command
from cad.data.manifest import LABEL_WORDS, Row, frame_of, is_unnamed, read_manifest, write_manifest

if TYPE_CHECKING:
    import pandas as pd


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("further", type=Path, help="CSV of the recordings; paths are relative to its folder")
    add("--judged", type=Path, required=True, help="manifest whose rows judge what is trained")
    add("--split", default="val", help="of these rows")
    add("--most", type=int, default=0, help="rows of one source and class (0 = all)")
    add("--pictures", action="store_true", help="the rows are stills or videos, labelled by their picture")
    add("-o", "--output", type=Path, required=True, help=".csv or .parquet")
    return run_command(lambda: leave_out(parser.parse_args(words)), "leave_overlap_out")


def leave_out(options: argparse.Namespace) -> int:
    """Write the manifest, and print what is in it and what is not."""
    import pandas

    rows = pandas.read_csv(options.further, dtype=str, keep_default_na=False)
    if "out_path" in rows:
        rows["path"] = rows["out_path"]
    judged = read_manifest(options.judged).select(options.split).rows
    shared = shared_with(rows, judged)
    for what, found in shared.items():
        print(f"{what} shared with {options.split}: {int(found.sum())}", file=sys.stderr)
    kept = rows[~np.logical_or.reduce(list(shared.values()))]
    kept = spread(kept, options.most) if options.most else kept
    row_of = picture_row if options.pictures else training_row
    write_manifest(frame_of(map(row_of, kept.to_dict("records"))), options.output, options.further.parent)
    counts = Counter(kept["label"])
    print(f"{len(kept)} of {len(rows)} rows in {options.output}: {dict(counts)}, {kept['source'].nunique()} sources")
    return 0


def training_row(given: Mapping[str, str]) -> Row:
    """Return the row of a recording whose voice is as its label says."""
    label = LABEL_WORDS[given["label"]]
    return _row(given, label, audio_fake=label)


def picture_row(given: Mapping[str, str]) -> Row:
    """Return the row of a still or video by its own flags; without one its picture is as its label says."""
    label = LABEL_WORDS[given["label"]]
    video, audio = given.get("video_fake", ""), given.get("audio_fake", "")
    return _row(given, label, video_fake=int(video) if video else label, audio_fake=int(audio) if audio else -1)


def _row(given: Mapping[str, str], label: int, **flags: int) -> Row:
    known = {name: given[name] for name in ("identity", "pair_id", "language", "sha256", "note") if name in given}
    source = given["source"]
    of = {"method": given["method"], "source": source, "dataset": source}
    return Row(given["path"], label, split="train", **flags, **of, **known)


def shared_with(rows: pd.DataFrame, judged: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return which rows share a page, a speaker, a system or their bytes with a judged one."""
    people = {name for name in judged["identity"] if not is_unnamed(name)}
    systems = set(judged.loc[judged["label"] == 1, "method"])
    return {
        "page": rows["source"].isin(set(judged["source"])).to_numpy(),
        "speaker": rows["identity"].isin(people).to_numpy(),
        "system": ((rows["label"] == "fake") & rows["method"].isin(systems)).to_numpy(),
        "bytes": rows["sha256"].isin(set(judged["sha256"]) - {""}).to_numpy(),
    }


def spread(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most ``most`` rows of each source and class: one of every system (genuine: speaker) in turn."""
    group = rows["source"] + "\n" + rows["label"]
    within = rows["method"].where(rows["label"] == "fake", rows["identity"])
    turns: dict[tuple[str, str], int] = defaultdict(int)
    turn = []
    for key in zip(group, within, strict=True):
        turn.append(turns[key])
        turns[key] += 1
    rank = rows.assign(_turn=turn).groupby(group)["_turn"].rank(method="first")
    return rows[(rank <= most).to_numpy()]


if __name__ == "__main__":
    raise SystemExit(main())
