# SPDX-License-Identifier: Apache-2.0
"""IDForge (arXiv 2401.11764): v1 as videos listed in ``main/{train,val,test}.csv``, v2 as folders of frames and sound.

The folder's name says what was done: ``face_`` and ``lip_`` forge the picture, ``rvc`` and ``tts`` the sound,
``audiomismatch`` puts other genuine sound under the picture (a fake in which no stream by itself need be forged).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

SPLITS = ("train", "val", "test")
PREFIXES = ("pristine", "face_", "lip_", "rvc", "tts", "audiomismatch")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
FRAMES_PER_VIDEO = 16


def forged(folder: str) -> tuple[int, int, int]:
    """Return label, video_fake and audio_fake of a folder's name.

    Raises:
        DataError: It has none of the known prefixes.

    Example:
        >>> forged("lip_audiomismatch_textmismatch"), forged("rvc_textmismatch"), forged("audiomismatch")
        ((1, 1, 0), (1, 0, 1), (1, 0, 0))
    """
    if not folder.startswith(PREFIXES):
        raise DataError(f"unknown folder {folder!r}; known are those that start with {list(PREFIXES)}")
    if folder.startswith("pristine"):
        return 0, 0, 0
    parts = folder.split("_")
    return 1, int(parts[0] in ("face", "lip")), int("rvc" in parts or "tts" in parts)


def rows_v1(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of the three lists; they have no header and the path in the first column."""
    for split in SPLITS:
        index = tree.find(f"main/{split}.csv")
        if index is None:
            yield Problem("missing_index", f"main/{split}.csv", "the list of this split is not there")
            continue
        yield from rows_of(lines(tree.root / index, delimiter=","), partial(_listed, split=split))


def rows_v2(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every folder of frames: 16 pictures in four groups of four, an mp3 and a transcript."""
    for split in SPLITS:
        folders = dict.fromkeys(path.rpartition("/")[0] for path in tree.under(split, SOUND_SUFFIXES))
        yield from rows_of(((folder, folder) for folder in folders), partial(_folder, split=split))
        for folder in folders:
            if (number := len(tree.under(folder, PICTURE_SUFFIXES))) != FRAMES_PER_VIDEO:
                yield Problem("incomplete_frames", folder, f"{number} of {FRAMES_PER_VIDEO} pictures")


def _listed(fields: list[str], split: str) -> Row:
    path = PurePosixPath(fields[0].replace("\\", "/"))
    return _row(PurePosixPath("main") / path, path, split)


def _folder(folder: str, split: str) -> Row:
    path = PurePosixPath(folder)
    return _row(path, PurePosixPath(*path.parts[1:]), split, "frames, not a video: needs a reader of frames")


def _row(path: PurePosixPath, inside: PurePosixPath, split: str, note: str = "") -> Row:
    """Return the row of a clip; ``inside`` starts with the category's folder, then the person."""
    category = inside.parts[0]
    label, video_fake, audio_fake = forged(category)
    person = inside.parts[1] if len(inside.parts) > 2 else inside.stem.split("_")[0]
    return Row(
        path=path.as_posix(),
        label=label,
        video_fake=video_fake,
        audio_fake=audio_fake,
        method=category if label else "real",
        category=category.split("_")[0],
        identity=person,
        split=split,
        language="en",
        note=note,
    )


ADAPTER_V1 = Adapter("idforge", "IDForge v1", ("main/train.csv", "main/val.csv", "main/test.csv"), rows_v1)
ADAPTER_V2 = Adapter("idforge_v2", "IDForge v2", ("train/*/", "val/*/", "test/*/"), rows_v2)
