# SPDX-License-Identifier: Apache-2.0
"""MLAAD (arXiv 2401.09512): speech of many synthesisers and languages; genuine speech is M-AILABS, beside it.

``fake/<language>/<model>/meta.csv`` has columns parted by ``|``: path, original_file, language, is_original_language,
duration, training_data, model_name, architecture, transcript, and reference_speaker in later versions. Transcripts hold
single quotation marks, which a reader of quoted CSV takes for the beginning of a field that goes on over many lines;
here they mean nothing. ``path`` names a wrong language in about a thousand rows of version 5 (``zh`` for ``zh-cn``):
a clip is always beside its ``meta.csv``. Where M-AILABS lies in ``real/``, or in a folder called like it, the originals
that ``original_file`` names become genuine rows; without it there is one class.

Source: mueller91/MLAAD on Hugging Face (layout); piotrkawa/deepfake-whisper-features ``mlaad_dataset.py`` (columns,
``real/``) and nii-yamagishilab/AntiDeepfake ``protocols/MLAAD.py`` (``fake/<language>/<model>``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

COLUMNS = ("path", "original_file", "language", "model_name", "architecture")
LANDMARKS = ("fake/*/meta.csv", "*/fake/*/meta.csv")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every synthetic clip, and each original of one that is on disk, once."""
    names = ((folder, folder.rpartition("/")[2].lower()) for folder in tree.folders)
    genuine = [folder for folder, name in names if name == "real" or "ailabs" in name]
    originals: dict[str, Row] = {}
    for index in (*tree.matching("fake/*/meta.csv"), *tree.matching("*/fake/*/meta.csv")):
        entries = iter(lines(tree.root / index, delimiter="|", name=index))
        head: list[str] = []
        for entry in entries:
            if not isinstance(entry, Problem):
                head = entry[1]
                break
            yield entry
        if missing := [name for name in COLUMNS if name not in head]:
            yield Problem("bad_index", index, f"lacks the column(s) {missing}; it has {head}")
            continue
        for row in rows_of(entries, partial(_row, head=head, folder=index.rpartition("/")[0])):
            yield row
            if isinstance(row, Row):
                for place in genuine:
                    if (found := tree.find(f"{place}/{row.pair_id}")) and found not in originals:
                        originals[found] = _original(found, row)
    yield from originals.values()


def _row(fields: list[str], head: list[str], folder: str) -> Row:
    if len(fields) < len(COLUMNS) + 1 or len(fields) < head.index("architecture") + 1:
        raise DataError(f"has {len(fields)} of {len(head)} fields")
    of = {**dict.fromkeys(head, ""), **dict(zip(head, fields, strict=False))}
    name = of["path"].replace("\\", "/").rpartition("/")[2]
    if not name:
        raise DataError("has no path")
    return Row(
        path=f"{folder}/{name}",
        label=1,
        video_fake=-1,
        audio_fake=1,
        method=of["model_name"],
        category=of["architecture"],
        source_identity=of.get("reference_speaker", "").strip("-"),
        pair_id=of["original_file"].replace("\\", "/").removeprefix("./"),
        source=of.get("training_data", ""),
        language=of["language"],
        duration_seconds=float(of.get("duration") or -1),
        note=f"is_original_language={of['is_original_language']}" if of.get("is_original_language") else "",
    )


def _original(path: str, synthetic: Row) -> Row:
    """Return the row of a genuine reading: ``de_DE/by_book/female/<reader>/<book>/wavs/<file>.wav``."""
    parts = synthetic.pair_id.split("/")
    reader = parts[-4] if len(parts) > 4 and parts[-2] == "wavs" else ""
    return Row(
        path=path,
        label=0,
        video_fake=-1,
        audio_fake=0,
        category="real",
        identity=reader,
        pair_id=synthetic.pair_id,
        source="M-AILABS",
        language=parts[0].split("_")[0].lower(),
    )


ADAPTER = Adapter("mlaad", "MLAAD", LANDMARKS, rows, SOUND_SUFFIXES)
