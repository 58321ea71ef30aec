# SPDX-License-Identifier: Apache-2.0
"""DFDC (arXiv 2006.07397): a ``metadata.json`` in each part, {name: {label: REAL or FAKE, split, original}}."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cad.data.benchmarks.adapter import Adapter, read_json
from cad.data.manifest import Problem, Row

LABELS = {"REAL": 0, "FAKE": 1}
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def rows(root: Path) -> Iterator[Row | Problem]:
    """Yield every clip of every part.

    Some of the fakes have forged sound and the set does not say which: ``audio_fake`` is unknown for all of them,
    and ``video_fake`` too, since of a fake only the sound may be forged.
    """
    for index in sorted(root.glob("metadata.json")) + sorted(root.glob("*/metadata.json")):
        folder = index.parent.relative_to(root)
        for name, entry in read_json(index).items():
            path = (folder / name).as_posix()
            if entry.get("label") not in LABELS:
                yield Problem("no_label", path, f"label is {entry.get('label')!r}, not REAL or FAKE")
                continue
            label = LABELS[entry["label"]]
            original = str(entry.get("original") or name)
            yield Row(
                path=path,
                label=label,
                video_fake=-1 if label else 0,
                audio_fake=-1 if label else 0,
                method="dfdc" if label else "real",
                identity=original,
                pair_id=original,
                source=folder.as_posix(),
                split=SPLITS.get(str(entry.get("split", "train")), ""),
                language="en",
            )


ADAPTER = Adapter("dfdc", "DFDC", ("metadata.json", "*/metadata.json"), rows)
