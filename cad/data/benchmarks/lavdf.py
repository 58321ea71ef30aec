# SPDX-License-Identifier: Apache-2.0
"""LAV-DF (arXiv 2204.06228): ``metadata.json`` with the forged stretches of every clip in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import json_entries, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row, segments_of

SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "test"}
INDEXES = ("metadata.json", "metadata.min.json")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of the index."""
    index = next(path for name in INDEXES for path in tree.matching(name))
    yield from rows_of(json_entries(tree.root / index), _row)


def _row(entry: Mapping[str, Any]) -> Row:
    video_fake, audio_fake = int(bool(entry["modify_video"])), int(bool(entry["modify_audio"]))
    names = [name for name, on in (("video", video_fake), ("audio", audio_fake)) if on]
    original = entry.get("original") or entry["file"]
    return Row(
        path=entry["file"],
        label=int(int(entry["n_fakes"]) > 0),
        video_fake=video_fake,
        audio_fake=audio_fake,
        method="+".join(names) or "real",
        category="+".join(names) or "real",
        # The set names no people; a clip and the forgeries made of it are what must not be separated.
        identity=str(original),
        pair_id=str(original),
        fake_segments=segments_of(entry["fake_periods"]),
        split=one_of(SPLITS, entry["split"], "split"),
        duration_seconds=float(entry["duration"]),
        fps=25.0,
        language="en",
    )


ADAPTER = Adapter("lavdf", "LAV-DF", INDEXES, rows, VIDEO_SUFFIXES)
