# SPDX-License-Identifier: Apache-2.0
"""KoDF (ICCV 2021, arXiv 2103.10094): Korean speakers, six forgeries; the lists are in Korean.

Layouts:
    - AI-Hub's (data set 55, as public loaders of it read it): ``원본영상_*_메타데이터.csv`` (genuine: 영상ID, UUID) and
      ``변조영상_*_메타데이터.csv`` (forged: 영상ID, 타겟영상, 타겟UUID, 소스UUID, 변조모델), of training and
      validation, anywhere below the root; the folders of videos differ from archive to archive, so that each is
      found by its name, which is its 영상ID;
    - the authors' release abroad, ``kodf_release/{original_videos,synthesized_videos/<method>}/<person>/``, which has
      no lists: people are read from folders and names (``<target>_<source>_...``).

In both, ``탐지방해/{원본영상,변조영상}`` holds videos that were changed to mislead detectors, named after those that
they come from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import csv_rows, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

CLIP, PERSON, TARGET_CLIP, TARGET, DONOR, METHOD = "영상ID", "UUID", "타겟영상", "타겟UUID", "소스UUID", "변조모델"
GENUINE, FORGED, LIST, DISTURBED = "원본영상", "변조영상", "메타데이터", "탐지방해"
SPLITS = {"training": "train", "train": "train", "validation": "val", "validate": "val"}
RELEASE_GENUINE, RELEASE_FORGED = "original_videos", "synthesized_videos"
#: Some copies of the lists were saved by a Korean spreadsheet.
ENCODING = "cp949"

#: Letters and digits, at least six; six or eight digits alone are the day of a recording.
_PERSON = re.compile(r"(?!\d{6}$|\d{8}$)(?=.*\d)[0-9a-z-]{6,}", re.IGNORECASE)


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every video that a list names (or that lies in the release's folders), and the disturbed ones.

    ``identity`` is whose video it is, ``source_identity`` whose face or speech was put in.
    """
    csv_files = {path: _composed(path.rpartition("/")[2]) for path in tree.files if path.lower().endswith(".csv")}
    lists = {path: name for path, name in csv_files.items() if LIST in name and (GENUINE in name or FORGED in name)}
    for kind in (GENUINE, FORGED):
        if lists and not any(kind in name for name in lists.values()):
            yield Problem("missing_index", f"{kind}_*_{LIST}.csv", "the list of this class is not there")
    videos = tree.under("", VIDEO_SUFFIXES)
    by_name: dict[str, str] = {}
    for path in videos:
        if DISTURBED not in _composed(path):
            by_name.setdefault(_stem(path), path)
    for path, name in lists.items():
        split = next((SPLITS[word] for word in name.split("_") if word in SPLITS), "")
        make = partial(_listed_fake if FORGED in name else _listed_real, by_name, split)
        columns = (CLIP, TARGET_CLIP, TARGET, DONOR, METHOD) if FORGED in name else (CLIP, PERSON)
        yield from rows_of(csv_rows(tree.root / path, columns, legacy=ENCODING), make)
    for path in videos:
        row = _disturbed(path) if DISTURBED in _composed(path) else None if lists else _released(path)
        if row is not None:
            yield row
            if not row.identity:
                yield Problem("no_person", path, "neither its folder nor its name says whose it is")


def _listed_real(by_name: Mapping[str, str], split: str, raw: Mapping[str, str]) -> Row:
    if not raw[PERSON]:
        raise ValueError(f"no {PERSON}")
    return _row(_path(by_name, raw[CLIP]), "real", raw[PERSON], "", _stem(raw[CLIP]), split)


def _listed_fake(by_name: Mapping[str, str], split: str, raw: Mapping[str, str]) -> Row:
    if not raw[METHOD] or not raw[TARGET]:
        raise ValueError(f"no {METHOD} or no {TARGET}")
    path = _path(by_name, raw[CLIP])
    return _row(path, raw[METHOD], raw[TARGET], raw[DONOR], _stem(raw[TARGET_CLIP]), split)


def _released(path: str) -> Row | None:
    """Return the row of a video in a folder of the release, or None for one that is in neither."""
    *folders, _ = path.split("/")
    place = next((n for n, name in enumerate(folders) if name.lower() in (RELEASE_GENUINE, RELEASE_FORGED)), None)
    if place is None:
        return None
    forged = folders[place].lower() == RELEASE_FORGED
    below = folders[place + 1 :]
    if forged and not below:
        return None
    owner, donor = _people(path, below[-1] if len(below) > forged else "")
    return _row(path, below[0] if forged else "real", owner, donor if forged else "", "" if forged else _stem(path), "")


def _disturbed(path: str) -> Row | None:
    composed = _composed(path)
    if GENUINE not in composed and FORGED not in composed:
        return None
    owner, donor = _people(path, "")
    split = next((SPLITS[word] for word in re.split(r"[/_.]", composed.lower()) if word in SPLITS), "")
    if GENUINE in composed:
        return _row(path, "real", owner, "", _stem(path), split, disturbed=True)
    return _row(path, "disturbed", owner, donor, "", split, disturbed=True)


def _row(path: str, method: str, owner: str, donor: str, pair: str, split: str, *, disturbed: bool = False) -> Row:
    fake = int(method != "real")
    return Row(
        path=path,
        label=fake,
        video_fake=fake,
        # Whose speech goes with a fake, and whether it was spoken, is not stated.
        audio_fake=-1 if fake else 0,
        method=method,
        category="disturbed" if disturbed else "fake" if fake else "real",
        identity=owner,
        source_identity=donor,
        pair_id=pair,
        language="ko",
        split=split,
    )


def _people(path: str, folder: str) -> tuple[str, str]:
    """Return whose a video is and who was put in, as far as the folder above it and its name tell."""
    words = [word for word in _stem(path).split("_") if _PERSON.fullmatch(word)]
    owner = folder if _PERSON.fullmatch(folder) else words[0] if words else ""
    return owner, next((word for word in words if word != owner), "")


def _path(by_name: Mapping[str, str], clip: str) -> str:
    if not clip:
        raise ValueError(f"no {CLIP}")
    return by_name.get(_stem(clip), clip if "." in clip else f"{clip}.mp4")


def _stem(path: str) -> str:
    name = _composed(path).rsplit("/", 1)[-1]
    return name.rpartition(".")[0] if name.lower().endswith(VIDEO_SUFFIXES) else name


def _composed(text: str) -> str:
    """Return Korean text in whole syllables; macOS stores names in parts."""
    return unicodedata.normalize("NFC", text)


LANDMARKS = (
    *(f"*{unicodedata.normalize(form, LIST)}*.csv" for form in ("NFC", "NFD")),
    RELEASE_GENUINE,
    RELEASE_FORGED,
    f"*/{RELEASE_FORGED}",
)
ADAPTER = Adapter("kodf", "KoDF", LANDMARKS, rows, VIDEO_SUFFIXES)
