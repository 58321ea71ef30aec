# SPDX-License-Identifier: Apache-2.0
"""AV-Deepfake1M (arXiv 2311.15308): ``train_metadata.json`` and ``val_metadata.json``; the test set has no labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import json_entries, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row, segments_of

FORGED = {"real": (0, 0), "visual_modified": (1, 0), "audio_modified": (0, 1), "both_modified": (1, 1)}
FRAME_RATE_HZ = 25.0


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of the two indexes; paths in them are relative to the split's folder."""
    for split in ("train", "val"):
        if index := tree.find(f"{split}_metadata.json"):
            yield from rows_of(json_entries(tree.root / index), partial(_row, split=split))
        else:
            yield Problem("missing_index", f"{split}_metadata.json", "the index of this split is not there")


def _row(entry: Mapping[str, Any], split: str) -> Row:
    kind = entry["modify_type"]
    video_fake, audio_fake = one_of(FORGED, kind, "modify_type")
    file = str(entry["file"]).replace("\\", "/")
    original = str(entry.get("original") or file)
    return Row(
        path=f"{split}/{file}",
        label=int(kind != "real"),
        video_fake=video_fake,
        audio_fake=audio_fake,
        method=str(entry.get("audio_model") or kind) if kind != "real" else "real",
        category=kind,
        # VoxCeleb2: the first folder is the person, the second the video.
        identity=file.split("/")[0],
        pair_id=original,
        fake_segments=segments_of(entry["fake_segments"]),
        video_fake_segments=segments_of(entry.get("visual_fake_segments")),
        audio_fake_segments=segments_of(entry.get("audio_fake_segments")),
        split=split,
        duration_seconds=float(entry["video_frames"]) / FRAME_RATE_HZ,
        fps=FRAME_RATE_HZ,
    )


ADAPTER = Adapter(
    "avdeepfake1m",
    "AV-Deepfake1M",
    ("train_metadata.json", "val_metadata.json"),
    rows,
    VIDEO_SUFFIXES,
    splits_share_people=True,
)
