# SPDX-License-Identifier: Apache-2.0
"""IDForge (arXiv 2401.11764): v1 as videos listed in ``{train,val,test}.csv``, v2 as folders of frames and sound.

A path is ``<category>/<person>/<source video>/<clip>``. The category says what was done: ``face_`` and ``lip_`` forge
the picture, ``rvc`` and ``tts`` the sound, ``audiomismatch`` puts another person's genuine sound under the picture (a
fake in which the sound by itself is not forged). In v2 a clip is a *folder*, named like its video, with
``frames_ndarray.npy`` (16 frames), an mp3 and a transcript. The reference set ``ref`` has genuine videos in no split.

Source: xyyandxyy/IDForge README (both trees) and ``IDForge_v1/*.csv``; the lists lie beside the videos in ``main/``, in
``IDForge_v1/`` or at the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, one_of, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

SPLITS = ("train", "val", "test")
#: By category, whether picture and sound are forged.
CATEGORIES = {
    "pristine": (0, 0),
    "face_audiomismatch_textmismatch": (1, 0),
    "face_rvc_textmismatch": (1, 1),
    "face_tts": (1, 1),
    "face_tts_textgen": (1, 1),
    "lip_audiomismatch_textmismatch": (1, 0),
    "lip_rvc_textmismatch": (1, 1),
    "lip_tts_textgen": (1, 1),
    "rvc_textmismatch": (0, 1),
    "tts_textgen": (0, 1),
    "tts_textmismatch": (0, 1),
    "audiomismatch": (0, 0),
}
FRAMES = "frames_ndarray.npy"
FACE_SWAPS = ("infoswap", "roop", "simswap")


def rows_v1(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip of the three lists; they have no header and the path in the first column."""
    for split in SPLITS:
        indexes = (*tree.matching(f"{split}.csv"), *tree.matching(f"*/{split}.csv"))
        if not indexes:
            yield Problem("missing_index", f"{split}.csv", "the list of this split is not there")
        for index in indexes:
            make = partial(_listed, tree=tree, beside=index.rpartition("/")[0], split=split)
            yield from rows_of(lines(tree.root / index, delimiter=","), make)


def rows_v2(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every folder of frames, and name those that lack their frames."""
    for split in SPLITS:
        folders = dict.fromkeys(path.rpartition("/")[0] for path in tree.under(split, SOUND_SUFFIXES))
        for folder in folders:
            if tree.find(f"{folder}/{FRAMES}") is None:
                yield Problem("incomplete_frames", folder, f"has no {FRAMES}")
            else:
                note = "frames, not a video: needs a reader of frames"
                inside = folder.split("/", 1)[1]
                yield from rows_of([(folder, inside)], partial(_row, path=folder, split=split, note=note))


def _listed(fields: list[str], tree: Tree, beside: str, split: str) -> Row:
    inside = fields[0].replace("\\", "/").removeprefix("./")
    above = beside.rpartition("/")[0]
    category = inside.split("/")[0]
    places = [f"{place}/".lstrip("/") for place in (beside, f"{beside}/main", f"{above}/main", "main", "")]
    place = next((place for place in places if tree.find(place + category)), places[0])
    return _row(inside, place + inside, split)


def _row(inside: str, path: str, split: str, note: str = "") -> Row:
    parts = inside.split("/")
    if len(parts) < 3:
        raise DataError(f"{inside!r} is no <category>/<person>/.../<clip>")
    category, person, clip = parts[0].lower(), parts[1], parts[-1]
    video_fake, audio_fake = one_of(CATEGORIES, category, "category")
    swap = clip.rpartition(".")[0].rpartition("_")[2]
    return Row(
        path=path,
        label=int(category != "pristine"),
        video_fake=video_fake,
        audio_fake=audio_fake,
        method="real" if category == "pristine" else category,
        category=category.split("_")[0],
        identity=person,
        pair_id=parts[2] if len(parts) > 3 else "",
        split=split,
        language="en",
        note=note or (f"face_swap={swap}" if swap in FACE_SWAPS else ""),
    )


LISTS = tuple(pattern for split in SPLITS for pattern in (f"main/{split}.csv", f"{split}.csv", f"*/{split}.csv"))
ADAPTER_V1 = Adapter("idforge", "IDForge v1", LISTS, rows_v1, VIDEO_SUFFIXES)
ADAPTER_V2 = Adapter(
    "idforge_v2", "IDForge v2", tuple(f"{split}/*/" for split in SPLITS), rows_v2, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)
)
