# SPDX-License-Identifier: Apache-2.0
"""Celeb-DF v1 and v2 (CVPR 2020): three folders; in ``List_of_testing_videos.txt`` **1 is real and 0 is fake**.

No sound. Layouts: the release (github.com/yuezunli/celeb-deepfakeforensics), with videos right in ``Celeb-real/``,
``YouTube-real/`` and ``Celeb-synthesis/``; and one ``videos/`` deeper as SCLBD/DeepfakeBench (``preprocessing/``) and
mapooon/SelfBlendedImages (``data/datasets.md``, which also writes ``Youtube-real``) lay it out. The list names the
release's paths in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

TEST_LIST = "List_of_testing_videos.txt"
#: Each folder's class, and what its videos are called.
FOLDERS = {
    "Celeb-real": (0, re.compile(r"(?P<target>id\d+)_(?P<number>\d+)")),
    "YouTube-real": (0, re.compile(r"(?P<number>\d+)")),
    "Celeb-synthesis": (1, re.compile(r"(?P<target>id\d+)_(?P<donor>id\d+)_(?P<number>\d+)")),
}
#: In the list of each version.
TEST_VIDEOS = {"v1": 100, "v2": 518}

_SPELLED = {name.lower(): name for name in FOLDERS}


def rows(tree: Tree, version: str) -> Iterator[Row | Problem]:
    """Yield every video; labels come from the folder, and the list is held against it.

    Without a list, or with one of which no video is there, nothing is known to be for training: splits stay empty.
    """
    listed, problems = _listed(tree)
    yield from problems
    other = next((name for name, count in TEST_VIDEOS.items() if name != version and len(listed) == count), "")
    if other:
        yield Problem("other_version", TEST_LIST, f"has the {len(listed)} videos of Celeb-DF {other}, not of {version}")
    videos = {key: path for path in tree.under("", VIDEO_SUFFIXES) if (key := _key(path)) is not None}
    places = {key[0]: path.rpartition("/")[0] for key, path in videos.items()}
    for folder in sorted(FOLDERS.keys() - places.keys()):
        yield Problem("missing_folder", f"{folder}/", "no video of this folder is there; is it not extracted?")
    absent = sorted(listed.keys() - videos.keys())
    for folder, name in absent:
        yield Problem("missing_file", f"{places.get(folder, folder)}/{name}", "the list names it but it is not there")
    known = len(absent) < len(listed)
    if listed and not known:
        yield Problem("wrong_index", TEST_LIST, f"not one of its {len(listed)} videos is there")
    for key, path in videos.items():
        label, form = FOLDERS[key[0]]
        if (stated := listed.get(key, label)) != label:
            yield Problem("label_conflict", path, f"the list says {'fake' if stated else 'real'}; 1 is real in it")
        said = form.fullmatch(key[1].rsplit(".", 1)[0])
        if said is None:
            yield Problem("bad_name", path, f"videos of {key[0]} are called {form.pattern}: the person is unknown")
        yield _row(path, key[0], said, ("test" if key in listed else "train") if known else "")


def _listed(tree: Tree) -> tuple[dict[tuple[str, str], int], list[Problem]]:
    """Return the label (1 fake, after turning the list's over) of each test video, and what is wrong in the list."""
    index = tree.find(TEST_LIST)
    if index is None:
        return {}, [Problem("missing_index", TEST_LIST, "without it no video is known to be for testing or training")]
    problems: list[Problem] = []
    labels: dict[tuple[str, str], int] = {}
    for entry in lines(tree.root / index, 2):
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        place, (real, *rest) = entry
        path = " ".join(rest).replace("\\", "/")
        key = _key(path)
        if real not in ("0", "1") or key is None:
            text = f"is not 0 or 1 and a video of {', '.join(FOLDERS)}: '{real} {path}'"
            problems.append(Problem("bad_row", place, text))
        if key is not None:
            label = 1 - int(real) if real in ("0", "1") else FOLDERS[key[0]][0]
            if labels.setdefault(key, label) != label:
                problems.append(Problem("duplicate_row", place, f"names {path} again with the other label"))
    return labels, problems


def _key(path: str) -> tuple[str, str] | None:
    """Return a video's folder as the release spells it, and its name, wherever in a tree it lies."""
    *folders, name = path.split("/")
    folder = next((_SPELLED[part.lower()] for part in folders if part.lower() in _SPELLED), None)
    return None if folder is None else (folder, name.lower())


def _row(path: str, folder: str, name: re.Match[str] | None, split: str) -> Row:
    """Return the row of a video: ``id0_0000.mp4`` real, ``id0_id16_0000.mp4`` with id16's face in id0's video."""
    fake = FOLDERS[folder][0]
    said = name.groupdict() if name else {}
    number = said.get("number", "")
    target = said.get("target", f"youtube_{number}" if number else "")
    return Row(
        path=path,
        label=fake,
        video_fake=fake,
        method="celeb-synthesis" if fake else "real",
        category=folder,
        identity=target,
        source_identity=said.get("donor", ""),
        pair_id=f"{target}_{number}" if "target" in said else number,
        source=folder,
        split=split,
    )


LANDMARKS = ("Celeb-real", "Celeb-synthesis", TEST_LIST)
ADAPTER = Adapter(
    "celebdf", "Celeb-DF v2", LANDMARKS, partial(rows, version="v2"), VIDEO_SUFFIXES, splits_share_people=True
)
ADAPTER_V1 = Adapter(
    "celebdf_v1", "Celeb-DF v1", LANDMARKS, partial(rows, version="v1"), VIDEO_SUFFIXES, splits_share_people=True
)
