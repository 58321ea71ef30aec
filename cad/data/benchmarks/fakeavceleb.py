# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb v1.2 (arXiv 2108.05080): ``meta_data.csv`` and four folders of real or fake picture and sound.

Layouts: the release (github.com/DASH-Lab/FakeAVCeleb), and the tree in which loaders have renamed the folders of
``race`` (``Asian_East`` for ``Asian (East)``), as the lists of bit-ml/AVH-Align name them; a ``meta_data.csv`` that
pandas wrote anew or whose last column was cut off is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

COLUMNS = ("source", "target1", "target2", "method", "category", "type", "race", "gender", "path")
#: The last column has no name (pandas gives it one); it holds the folder, with the archive's own name in front.
FOLDER_COLUMNS = ("", "Unnamed: 9")

#: By category: whether picture and sound are forged, and the type (which is also the name of the folder).
FORGED = {
    "A": (0, 0, "RealVideo-RealAudio"),
    "B": (0, 1, "RealVideo-FakeAudio"),
    "C": (1, 0, "FakeVideo-RealAudio"),
    "D": (1, 1, "FakeVideo-FakeAudio"),
}
METHODS = ("real", "rtvc", "faceswap", "fsgan", "wav2lip", "faceswap-wav2lip", "fsgan-wav2lip")

_PERSON = re.compile(r"id\d{5}")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every clip that ``meta_data.csv`` names; 22 files stand in it twice, most of them with two methods."""
    index = tree.root / tree.matching("meta_data.csv")[0]
    loosely = {_loose(path): path for path in tree.under("", VIDEO_SUFFIXES)}
    doubts: list[Problem] = []
    yield from rows_of(csv_rows(index, COLUMNS, optional=FOLDER_COLUMNS), lambda raw: _row(tree, loosely, doubts, raw))
    yield from doubts


def _row(tree: Tree, loosely: Mapping[str, str], doubts: list[Problem], raw: Mapping[str, str]) -> Row | Problem:
    video_fake, audio_fake, kind = one_of(FORGED, raw["category"], "category")
    method = one_of({name: name for name in METHODS}, raw["method"], "method")
    identity, name = raw["source"], raw["path"]
    if not _PERSON.fullmatch(identity):
        raise ValueError(f"source {identity!r} is no person (id and five digits)")
    if not name.lower().endswith(VIDEO_SUFFIXES):
        raise ValueError(f"path {name!r} is no video")
    folder = _folder(raw)
    path = f"{folder}/{name}"
    path = tree.find(path) or loosely.get(_loose(path)) or path
    if raw["type"] != kind or folder.split("/")[0].lower() != kind.lower():
        text = f"category {raw['category']} is {kind}, but its type is {raw['type']!r} in {folder.split('/')[0]!r}"
        return Problem("label_conflict", path, text)
    donors = [person for person in (raw["target1"], raw["target2"]) if _PERSON.fullmatch(person)]
    donors += [person for person in _PERSON.findall(name) if person != identity]
    if not donors and raw["target1"] not in ("-", ""):
        doubts.append(Problem("bad_target", path, f"target1 {raw['target1']!r} is no person: the donor is unknown"))
    return Row(
        path=path,
        label=int(bool(video_fake or audio_fake)),
        video_fake=video_fake,
        audio_fake=audio_fake,
        method=method,
        category=kind,
        identity=identity,
        source_identity=donors[0] if donors else "",
        pair_id=f"{identity}/{name.split('_')[0].removesuffix('.mp4')}",
        source=f"{raw['race']}/{raw['gender']}",
        language="en",
    )


def _folder(raw: Mapping[str, str]) -> str:
    """Return a clip's folder from the set's root, without the names of archives above the four types."""
    stated = next((raw[name] for name in FOLDER_COLUMNS if raw[name]), "")
    parts = stated.replace("\\", "/").strip("/").split("/")
    types = {kind.lower() for *_, kind in FORGED.values()}
    first = next((place for place, part in enumerate(parts) if part.lower() in types), None)
    if first is None:
        return "/".join(raw[name] for name in ("type", "race", "gender", "source"))
    return "/".join(parts[first:])


def _loose(path: str) -> str:
    """Return what the folders' names have in common that differ in blanks and brackets: Asian (East), Asian_East."""
    folder, _, name = path.rpartition("/")
    return f"{re.sub(r'[^a-z0-9/]', '', folder.lower())}/{name.lower()}"


ADAPTER = Adapter("fakeavceleb", "FakeAVCeleb v1.2", ("meta_data.csv",), rows, VIDEO_SUFFIXES)
