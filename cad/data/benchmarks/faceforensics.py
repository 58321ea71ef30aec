# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ (ICCV 2019) with FaceShifter, and DeepFakeDetection (DFD), which is handed out with it. No sound.

Layouts:
    - the release (github.com/ondyari/FaceForensics, ``dataset/README.md``), which SCLBD/DeepfakeBench and
      mapooon/SelfBlendedImages read as it is: ``original_sequences/{youtube,actors}/{raw,c23,c40}/videos`` and
      ``manipulated_sequences/<method>/{raw,c23,c40}/videos``, with ``{train,val,test}.json`` at the root, in
      ``splits/`` or in ``dataset/splits/``;
    - ahaliassos/LipForensics: ``RealFF/c23/videos``, ``Deepfakes/c23/videos`` ... with ``splits/``;
    - the copies on Kaggle: ``FaceForensics++_C23/{original,Deepfakes,...}``, ``DFD_original sequences``,
      ``DFD_manipulated_sequences``.

Videos are called ``<sequence>.mp4``, ``<target>_<source>.mp4``, ``<actor>__<scene>.mp4`` and
``<target actor>_<source actor>__<scene>__<experiment>.mp4`` (``dataset/README.md``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import read_json
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

SPLITS = ("train", "val", "test")
SPLIT_FOLDERS = ("", "splits/", "dataset/splits/")
REAL, DFD_REAL, DFD_FAKE = "youtube", "actors", "DeepFakeDetection"
METHODS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures", DFD_FAKE)
#: What a folder holds, by its name in lower case.
KINDS = {
    "youtube": REAL,
    "realff": REAL,
    "original": REAL,
    "actors": DFD_REAL,
    "dfd_original sequences": DFD_REAL,
    "dfd_original_sequences": DFD_REAL,
    "dfd_manipulated_sequences": DFD_FAKE,
} | {method.lower(): method for method in METHODS}
#: The first release had the genuine videos right in here, without ``youtube``.
ORIGINALS, FORGERIES = "original_sequences", "manipulated_sequences"
COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}

_SEQUENCE = re.compile(r"(?P<target>\d{3})")
_PAIR = re.compile(r"(?P<target>\d{3})_(?P<source>\d{3})")
_SCENE = re.compile(r"(?P<target>\d{2})__(?P<scene>.+)")
_SWAPPED_SCENE = re.compile(r"(?P<target>\d{2})_(?P<source>\d{2})__(?P<scene>.+)__[^_]+")
_FORMS = {REAL: _SEQUENCE, DFD_REAL: _SCENE, DFD_FAKE: _SWAPPED_SCENE}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every video; in a forged pair ``NNN_MMM`` the first sequence was changed, the second is the donor.

    DFD has no official split: its videos keep an empty one here, and the adapter ``dfd`` makes a test set of them.
    """
    pairs, problems = _pairs(tree)
    yield from problems
    splits = {name: split for split, names in reversed(pairs) for name in names}
    found: set[tuple[str, str]] = set()
    classes: dict[str, set[int]] = defaultdict(set)
    of_dfd = 0
    for entry in _videos(tree):
        if isinstance(entry, Problem):
            yield entry
        elif entry.dataset == "dfd":
            of_dfd += 1
            yield entry
        else:
            folder, _, name = entry.path.rpartition("/")
            found.add((folder, name.rsplit(".", 1)[0]))
            classes[entry.category].add(entry.label)
            split = splits.get(entry.identity, "")
            yield from _doubts(entry, split, splits)
            yield replace(entry, split=split)
    if of_dfd:
        yield Problem("no_official_split", DFD_FAKE, f"{of_dfd} videos; `prepare.py dfd` makes a test set of them")
    yield from _one_class(classes, REAL)
    yield from _missing(pairs, found)


def _doubts(row: Row, split: str, splits: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what the official lists say against a video."""
    if splits and not split:
        yield Problem("not_in_splits", row.path, f"video {row.identity} is in no split")
    elif splits.get(row.source_identity, split) != split:
        text = f"{row.identity} is in {split}, {row.source_identity} in {splits[row.source_identity]}"
        yield Problem("donor_in_other_split", row.path, text)


def rows_of_dfd(tree: Tree) -> Iterator[Row | Problem]:
    """Yield the videos of DFD, all of them for testing, as DeepfakeBench and SelfBlendedImages use them."""
    classes: dict[str, set[int]] = defaultdict(set)
    for entry in _videos(tree):
        if isinstance(entry, Problem):
            yield entry
        elif entry.dataset == "dfd":
            classes[entry.category].add(entry.label)
            yield replace(entry, split="test")
        else:
            yield Problem("other_set", entry.path, "belongs to FaceForensics++: the adapter faceforensics reads it")
    yield from _one_class(classes, DFD_REAL)


def _one_class(classes: Mapping[str, set[int]], genuine: str) -> Iterator[Problem]:
    """Yield each compression of which only one class is there: results of it alone would say nothing."""
    for compression, labels in classes.items():
        if len(labels) == 1:
            lacks, has = ("genuine", "forged") if 1 in labels else ("forged", "genuine")
            folder = f"{ORIGINALS}/{genuine}" if 1 in labels else FORGERIES
            text = f"{has} videos of compression {compression or 'unknown'} are there, but no {lacks} ones"
            yield Problem("missing_folder", f"{folder}/", text)


def _videos(tree: Tree) -> Iterator[Row | Problem]:
    for path in tree.under("", VIDEO_SUFFIXES):
        *folders, name = [part.lower() for part in path.split("/")]
        kind = next((KINDS[part] for part in folders if part in KINDS), REAL if ORIGINALS in folders else None)
        if "masks" in folders:
            yield Problem("no_clip", path, "a mask, not a video of the set")
        elif kind is None:
            text = f"no folder above it is one of {', '.join((REAL, DFD_REAL, *METHODS))}"
            yield Problem("unknown_folder", path, text)
        elif (form := _FORMS.get(kind, _PAIR).fullmatch(name.rsplit(".", 1)[0])) is None:
            yield Problem("bad_name", path, f"videos of {kind} are called {_FORMS.get(kind, _PAIR).pattern}")
        else:
            yield _row(path, kind, form.groupdict(), _compression(tree, folders))


def _row(path: str, kind: str, name: dict[str, str], compression: str) -> Row:
    fake, of_dfd = int(kind in METHODS), kind in (DFD_REAL, DFD_FAKE)
    # Numbers of actors and of sequences are no people in common.
    person = "actor_" if of_dfd else ""
    target, source = name["target"], name.get("source", "")
    return Row(
        path=path,
        label=fake,
        video_fake=fake,
        method=kind if fake else "real",
        category=compression,
        identity=person + target,
        source_identity=person + source if source else "",
        pair_id=f"{target}__{name['scene']}" if of_dfd else target,
        source=DFD_REAL if of_dfd else REAL,
        dataset="dfd" if of_dfd else "",
    )


def _compression(tree: Tree, folders: list[str]) -> str:
    """Return a video's compression from a folder of that name, else from a name that ends in it (``..._C23``)."""
    above = tree.root.resolve().parts[-2:]
    for part in (*reversed(folders), *reversed(above)):
        word = re.split(r"[_\-+ ]", part.lower())[-1]
        if word in COMPRESSIONS:
            return COMPRESSIONS[word]
    return ""


def _pairs(tree: Tree) -> tuple[list[tuple[str, list[str]]], list[Problem]]:
    """Return split and sequences of each official pair, and what is wrong in the lists."""
    pairs: list[tuple[str, list[str]]] = []
    problems: list[Problem] = []
    known: dict[str, str] = {}
    for split in SPLITS:
        places = [found for folder in SPLIT_FOLDERS if (found := tree.find(f"{folder}{split}.json"))]
        index = next(iter([*places, *tree.matching(f"*/{split}.json")]), None)
        if index is None:
            text = "the official list of pairs is not there: github.com/ondyari/FaceForensics, dataset/splits"
            problems.append(Problem("missing_index", f"{split}.json", text))
            continue
        content = read_json(tree.root / index, problems)
        if not isinstance(content, list):
            raise DataError(f"{tree.root / index} holds no list of pairs but a {type(content).__name__}")
        for number, pair in enumerate(content, start=1):
            place = f"{index}, entry {number}"
            if not isinstance(pair, list) or [bool(_SEQUENCE.fullmatch(str(name))) for name in pair] != [True, True]:
                problems.append(Problem("bad_row", place, f"is no pair of sequences (000 to 999): {str(pair)[:60]}"))
                continue
            pairs.append((split, [str(name) for name in pair]))
            for name in map(str, pair):
                if known.setdefault(name, split) != split:
                    problems.append(Problem("in_two_splits", place, f"{name} is in {known[name]}, too; that is used"))
    return pairs, problems


def _missing(pairs: list[tuple[str, list[str]]], found: set[tuple[str, str]]) -> Iterator[Problem]:
    """Yield each video that the lists name and a folder lacks that holds others of them."""
    names = {"": {name for _, pair in pairs for name in pair}}
    names["_"] = {"_".join(order) for _, pair in pairs for order in (pair, pair[::-1])}
    for folder, mark in sorted({(folder, "_" * ("_" in name)) for folder, name in found}):
        for name in sorted(names[mark]):
            if (folder, name) not in found:
                yield Problem("missing_file", f"{folder}/{name}.mp4", "the official lists name it")


LANDMARKS = (ORIGINALS, FORGERIES, "RealFF", "original", *METHODS, "FaceForensics++_C??")
ADAPTER = Adapter("faceforensics", "FaceForensics++", LANDMARKS, rows, VIDEO_SUFFIXES)
DFD_LANDMARKS = (
    "original_sequences/actors",
    "manipulated_sequences/DeepFakeDetection",
    "DeepFakeDetection",
    "DFD_original*sequences",
    "DFD_manipulated_sequences",
)
ADAPTER_DFD = Adapter("dfd", "DeepFakeDetection (DFD)", DFD_LANDMARKS, rows_of_dfd, VIDEO_SUFFIXES)
