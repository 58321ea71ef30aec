# SPDX-License-Identifier: Apache-2.0
"""In-the-Wild (arXiv 2203.16263): speech of 58 public figures, genuine and cloned; no splits.

``meta.csv`` has file, speaker and label (``bona-fide`` or ``spoof``); the files lie beside it, in a folder below it, or
in ``real/`` and ``fake/`` as mirrors sort them.

Source: the authors' ``release_in_the_wild.zip``, as piotrkawa/deepfake-whisper-features ``in_the_wild_dataset.py`` and
nii-yamagishilab/AntiDeepfake ``protocols/In-the-Wild.py`` read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, one_of, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

LABELS = {"bona-fide": 0, "bonafide": 0, "spoof": 1}
CLASS_FOLDERS = {"real": 0, "bona-fide": 0, "bonafide": 0, "fake": 1, "spoof": 1}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of ``meta.csv``."""
    for index in (*tree.matching("meta.csv"), *tree.matching("*/meta.csv")):
        folder = index.rpartition("/")[0]
        names: dict[str, list[str]] = defaultdict(list)
        for path in tree.under(folder, SOUND_SUFFIXES):
            names[path.rpartition("/")[2].lower()].append(path)
        make = partial(_row, folder=folder, names=names)
        yield from rows_of(csv_rows(tree.root / index, ("file", "speaker", "label")), make)


def _row(raw: Mapping[str, str], folder: str, names: Mapping[str, list[str]]) -> Row | Problem:
    label = one_of(LABELS, raw["label"].lower(), "label")
    files = names.get(raw["file"].rpartition("/")[2].lower(), [])
    # A mirror that sorts files by class may number each class by itself.
    of_class = [path for path in files if _folder_class(path) in (label, None)]
    if files and not of_class:
        return Problem("label_conflict", files[0], f"meta.csv says {raw['label']}, its folder says otherwise")
    path = of_class[0] if of_class else "/".join(filter(None, (folder, raw["file"])))
    return Row(
        path=path,
        label=label,
        video_fake=-1,
        audio_fake=label,
        method="spoof" if label else "real",
        identity=raw["speaker"],
        language="en",
    )


def _folder_class(path: str) -> int | None:
    return CLASS_FOLDERS.get(path.lower().split("/")[-2]) if "/" in path else None


ADAPTER = Adapter("in_the_wild", "In-the-Wild", ("meta.csv", "*/meta.csv"), rows, SOUND_SUFFIXES)
