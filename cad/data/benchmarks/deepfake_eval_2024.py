# SPDX-License-Identifier: Apache-2.0
"""Deepfake-Eval-2024 (arXiv 2503.02857): videos and sound that circulated in 2024, labelled stream by stream.

Layout of the release (huggingface.co/datasets/nuriachandra/Deepfake-Eval-2024), which public loaders read as it is:
``video-data/`` with ``video-metadata-publish.csv`` (Filename, Video Ground Truth, Audio Ground Truth, Finetuning Set)
and ``audio-data/`` with ``audio-metadata-publish.csv`` (Filename, Ground Truth, Finetuning Set); either list may be the
one ``-with-links``. Its pictures are no clips and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, one_of, rows_of
from cad.data.benchmarks.tree import Tree
from cad.data.manifest import UNKNOWN, Problem, Row

FLAGS = {"real": 0, "fake": 1, "unknown": UNKNOWN, "": UNKNOWN}
WORDS = {0: "real", 1: "fake", UNKNOWN: "unknown"}
SPLITS = {"train": "train", "test": "test", "": ""}
SPLIT_COLUMN = "Finetuning Set"
#: Of each part: the columns that state picture and sound.
PARTS = {"video": ("Video Ground Truth", "Audio Ground Truth"), "audio": (None, "Ground Truth")}
LISTS = ("{}-metadata-publish.csv", "{}-metadata-publish-with-links.csv")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every video and every sound file that is labelled.

    A clip is fake where one of its streams is. One whose picture is genuine and whose sound could not be told counts
    as genuine (the set keeps such videos, says its card); ``category`` says which (``video real, audio unknown``).
    """
    for part, columns in PARTS.items():
        index = next((path for name in LISTS if (path := tree.find(name.format(part)))), None)
        if index is None:
            if tree.find(f"{part}-data") is not None:
                yield Problem("missing_index", LISTS[0].format(part), f"without it {part}-data/ has no labels")
            continue
        files = tree.under(f"{part}-data")
        by_stem = {PurePosixPath(path).stem: path for path in files}
        needed = ("Filename", *(column for column in columns if column))
        read = csv_rows(tree.root / index, needed, optional=(SPLIT_COLUMN,))
        yield from rows_of(read, partial(_row, tree, part, by_stem))


def _row(tree: Tree, part: str, by_stem: Mapping[str, str], raw: Mapping[str, str]) -> Row | Problem:
    name = raw["Filename"]
    if not name:
        raise ValueError("no Filename")
    stem = PurePosixPath(name).stem
    # Sound is also kept under another suffix than the list's.
    path = tree.find(f"{part}-data/{name}") or by_stem.get(stem, f"{part}-data/{name}")
    flags = [one_of(FLAGS, raw[column].lower(), column) if column else UNKNOWN for column in PARTS[part]]
    first = next(flag for flag, column in zip(flags, PARTS[part], strict=True) if column)
    if 1 not in flags and first == UNKNOWN:
        return Problem("no_label", path, "its ground truth is unknown")
    label = int(1 in flags)
    video_fake, audio_fake = flags
    return Row(
        path=path,
        label=label,
        video_fake=video_fake,
        audio_fake=audio_fake,
        method="in-the-wild" if label else "real",
        category=f"video {WORDS[video_fake]}, audio {WORDS[audio_fake]}" if part == "video" else "audio alone",
        # A video and its sound have one name in both parts.
        pair_id=stem,
        source=part,
        split=one_of(SPLITS, raw[SPLIT_COLUMN].lower(), SPLIT_COLUMN),
    )


ADAPTER = Adapter(
    "deepfake_eval_2024",
    "Deepfake-Eval-2024",
    tuple(name.format(part) for part in PARTS for name in LISTS),
    rows,
)
