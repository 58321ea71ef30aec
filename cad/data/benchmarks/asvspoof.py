# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 2019 and 2021, tracks LA, DF and PA, each alone or all under one root: sound alone, in English.

2019 comes with protocols ``ASVspoof2019.LA.cm.train.trn.txt`` (speaker, file, environment, attack, class). The keys of
2021 came later, as ``keys/LA/CM/trial_metadata.txt`` (first as ``keys/CM/...``); their columns differ by track, and
each trial belongs to the part eval, progress or hidden, which nobody pools: only ``eval`` is ``test`` here. Files
of the same name lie in ``ASV/``; those are trials of speaker verification, and are not read. Names of files are unique
in a set but not between them (``LA_E_...`` is in 2019 and 2021), so that the year in a folder's name decides.

Source: README files of the releases; asvspoof-challenge/2021 ``eval-package`` (``config.py`` for columns and parts, its
README for their words); folders as clovaai/aasist ``main.py`` and TakHemlata/SSL_Anti-spoofing read them, and as
piotrkawa/deepfake-whisper-features ``deepfake_asvspoof_dataset.py`` does (``ASVspoof2021_DF_eval_part00`` ...).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, one_of, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

LABELS = {"bonafide": 0, "spoof": 1}
PROTOCOL_2019 = re.compile(r"asvspoof2019\.(?P<track>la|pa)\.cm\.(?P<part>train|dev|eval)\.tr[nl]\.txt", re.IGNORECASE)
SPLITS_2019 = {"train": "train", "dev": "val", "eval": "test"}
KEYS_2021 = "trial_metadata.txt"
#: The parts of 2021; ``hidden_track`` is what the first keys called the hidden one.
SPLITS_2021 = {"eval": "test", "progress": "progress", "hidden": "hidden", "hidden_track": "hidden"}
TRIAL_2021 = re.compile(r"(LA|DF|PA)_E_\d+")
#: Columns of the keys by track, and how many of them the first keys had.
COLUMNS_2021 = {
    "LA": (("speaker", "trial", "codec", "transmission", "attack", "label", "trim", "subset"), 8),
    "DF": (("speaker", "trial", "codec", "source", "attack", "label", "trim", "subset", "vocoder", "task", "team",
            "gender", "language"), 8),
    "PA": (("speaker", "trial", "room", "microphone", "distance", "attack_room", "attack_microphone", "attack_device",
            "attack_distance", "label", "trim", "subset"), 12),
}  # fmt: skip
LISTS_2021 = "*asvspoof2021.*.cm.eval.trl.txt"
LANDMARKS = ("*asvspoof2019.*.cm.*.txt", f"*{KEYS_2021}", LISTS_2021)


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every trial of every protocol and key found under the root."""
    sounds: dict[str, list[str]] = defaultdict(list)
    for path in tree.under("", SOUND_SUFFIXES):
        sounds[_stem(path)].append(path)
    found: list[Row] = []
    missing: list[Row] = []
    for entry in _trials(tree):
        if isinstance(entry, Problem):
            yield entry
        elif len(paths := _files(entry, sounds)) == 1:
            found.append(replace(entry, path=paths[0]))
        elif paths:
            yield Problem("ambiguous_file", paths[0], f"{entry.dataset} may mean any of {len(paths)} files: {paths}")
        else:
            missing.append(entry)
    with_keys = {row.dataset for row in (*found, *missing)}
    for path in tree.matching(LISTS_2021):
        track = path.lower().rpartition("asvspoof2021.")[2][:2]
        if f"asvspoof2021_{track}" not in with_keys:
            yield Problem("missing_index", f"keys/{track.upper()}/CM/{KEYS_2021}", f"{path} lists trials, not classes")
    yield from found
    # A missing file is looked for where most of its set are.
    folders: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in found:
        folders[row.dataset, _part(row)][row.path.rpartition("/")[0]] += 1
    for row in missing:
        known = folders.get((row.dataset, _part(row)))
        folder = known.most_common(1)[0][0] if known else _published_folder(row)
        yield replace(row, path=f"{folder}/{row.path}.flac")


def _trials(tree: Tree) -> Iterator[Row | Problem]:
    """Yield a row for each trial, with the name of its file for a path."""
    # The full keys, which lie deeper, before the first ones: what stands twice is taken from them.
    for path in sorted(tree.matching("*.txt"), key=lambda path: -path.count("/")):
        name = path.rpartition("/")[2]
        if known := PROTOCOL_2019.fullmatch(name):
            make = partial(_row_2019, track=known["track"].upper(), split=SPLITS_2019[known["part"].lower()])
            yield from rows_of(lines(tree.root / path, 5), make)
        elif name.lower() == KEYS_2021 and f"/{path}".lower().split("/")[-2] != "asv":
            yield from rows_of(lines(tree.root / path, 8), _row_2021)


def _row_2019(fields: list[str], track: str, split: str) -> Row:
    speaker, trial, environment, attack, word = fields[:5]
    label = one_of(LABELS, word, "class")
    return _row(trial, label, speaker, attack, split, f"asvspoof2019_{track.lower()}", environment.strip("-"))


def _row_2021(fields: list[str]) -> Row:
    if not (known := TRIAL_2021.fullmatch(fields[1])):
        raise DataError(f"{fields[1]!r} is no trial of ASVspoof 2021 (LA_E_, DF_E_, PA_E_ and digits)")
    track = known[1]
    columns, least = COLUMNS_2021[track]
    if len(fields) < least:
        raise DataError(f"has {len(fields)} of {least} fields")
    of = {**dict.fromkeys(columns, "-"), **dict(zip(columns, fields, strict=False))}
    label = one_of(LABELS, of["label"], "class")
    where = ("room", "microphone", "distance") if track == "PA" else ("codec",)
    told = [name for name in columns if name not in {"speaker", "trial", "attack", "label", "subset", *where}]
    row = _row(
        of["trial"], label, of["speaker"], of.get("attack", "replay"), one_of(SPLITS_2021, of["subset"], "subset"),
        f"asvspoof2021_{track.lower()}", "-".join(of[name] for name in where),
    )  # fmt: skip
    note = " ".join(f"{name}={of[name]}" for name in told if of[name] not in ("-", "bonafide"))
    # What VCC 2020 recorded of speakers of other languages may be in theirs.
    language = "en" if of.get("language", "-") in ("-", "E") else ""
    return replace(row, note=note, source=of.get("source", ""), language=language)


def _row(trial: str, label: int, speaker: str, attack: str, split: str, dataset: str, category: str) -> Row:
    return Row(
        path=trial,
        label=label,
        video_fake=-1,
        audio_fake=label,
        method=attack if label else "real",
        category=category,
        identity=speaker,
        split=split,
        dataset=dataset,
        language="en",
    )


def _files(row: Row, sounds: dict[str, list[str]]) -> list[str]:
    """Return the files that a row may mean: those of its name, without those that lie in another year's folder.

    Of several, those in a folder with the year's and the track's name are meant, and FLAC before what was made of it.
    """
    year, track = row.dataset.removeprefix("asvspoof").split("_")
    candidates = [path for path in sounds.get(row.path.lower(), ()) if _year(path) in ("", year)]
    for mark in (f"asvspoof{year}", f"{year}_{track}", ".flac"):
        if len(candidates) > 1:
            candidates = [path for path in candidates if mark in path.lower()] or candidates
    return candidates


def _year(path: str) -> str:
    """Return the year that the innermost folder with one names, or nothing."""
    return next((found[1] for found in reversed(list(re.finditer(r"asvspoof_?(20\d\d)", path.lower())))), "")


def _part(row: Row) -> str:
    return row.split if row.split in ("train", "val") else "eval"


def _published_folder(row: Row) -> str:
    year, track = row.dataset.removeprefix("asvspoof").split("_")
    return f"ASVspoof{year}_{track.upper()}_{'dev' if row.split == 'val' else _part(row)}/flac"


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0].lower()


ADAPTER = Adapter("asvspoof", "ASVspoof 2019 and 2021", LANDMARKS, rows, SOUND_SUFFIXES)
