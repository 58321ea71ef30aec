# SPDX-License-Identifier: Apache-2.0
"""LAV-DF (arXiv 2204.06228): ``metadata.json`` with the forged stretches of every clip in seconds.

The full index and the smaller ``metadata.min.json`` hold the same clips. A clip's stretches are forged in each stream
that it says is modified.

Source: ControlNet/LAV-DF ``dataset/lavdf.py`` (fields, ``metadata.min.json``, paths below the root); mirrors call the
index ``lavdf-metadata.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import json_entries, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row, segments_of
from cad.errors import DataError

SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "test"}
INDEXES = ("metadata.json", "metadata.min.json", "lavdf-metadata.json")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of the index."""
    index = next(path for name in INDEXES for path in tree.matching(name))
    yield from rows_of(json_entries(tree.root / index), _row)


def _row(entry: Mapping[str, Any]) -> Row:
    forged = {stream: entry[f"modify_{stream}"] for stream in ("video", "audio")}
    if not all(isinstance(flag, bool) for flag in forged.values()):
        raise DataError(f"modify_video and modify_audio are {list(forged.values())}, not true or false")
    fakes, periods = int(entry["n_fakes"]), segments_of(entry["fake_periods"])
    if not (fakes > 0) == any(forged.values()) == bool(periods):
        raise DataError(f"n_fakes is {fakes} with {len(periods)} fake_periods, and the modified streams are {forged}")
    names = "+".join(stream for stream, flag in forged.items() if flag) or "real"
    original = str(entry.get("original") or entry["file"])
    return Row(
        path=entry["file"],
        label=int(fakes > 0),
        video_fake=int(forged["video"]),
        audio_fake=int(forged["audio"]),
        method=names,
        category=names,
        # The set names no people; a clip and the forgeries made of it are what must not be separated.
        identity=original,
        pair_id=original,
        fake_segments=periods,
        video_fake_segments=periods if forged["video"] else (),
        audio_fake_segments=periods if forged["audio"] else (),
        split=one_of(SPLITS, entry["split"], "split"),
        duration_seconds=float(entry["duration"]),
        fps=25.0,
        language="en",
    )


ADAPTER = Adapter("lavdf", "LAV-DF", INDEXES, rows, VIDEO_SUFFIXES)
