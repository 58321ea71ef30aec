# SPDX-License-Identifier: Apache-2.0
"""The adapter of any set laid out as folders (``real/...``, ``fake/<method>/...``).

It serves KoDF, DF40, AVLips, DeepSpeak, PolyGlotFake, MAVOS-DD and private sets.
"""

from __future__ import annotations

from collections.abc import Iterator

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import LABEL_WORDS, Problem, Row

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}


def rows_of_folders(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every media file with a folder named like a class above it.

    A folder above or below it may name the split; the folder below the class names the method (of a fake) or the
    person (of a genuine clip), where there is one.
    """
    for path in tree.under(""):
        yield _row(path) or Problem("no_class", path, "no folder above it is called real, fake or the like")


def _row(path: str) -> Row | None:
    folders = path.split("/")[:-1]
    classes = ((place, _class(name)) for place, name in enumerate(folders))
    place, label = next((found for found in classes if found[1] is not None), (0, None))
    if label is None:
        return None
    below = [name for name in folders[place + 1 :] if name.lower() not in SPLIT_FOLDERS]
    split = next((SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS), "")
    sound_only = path.lower().endswith(SOUND_SUFFIXES)
    return Row(
        path=path,
        label=label,
        video_fake=-1 if sound_only or label else 0,
        audio_fake=label if sound_only else (-1 if label else 0),
        method=(below[0] if below else "fake") if label else "real",
        identity=below[-1] if below and (not label or len(below) > 1) else "",
        source="/".join(folders[:place]),
        split=split,
    )


def _class(folder: str) -> int | None:
    word = folder.lower().split("_")[0].split("-")[0]
    # A folder that is called 0 or 1 is as likely a person or a part.
    return None if word.isdigit() else LABEL_WORDS.get(word)


FOLDERS = Adapter("folders", "a set of folders by class", ("*/",), rows_of_folders)
