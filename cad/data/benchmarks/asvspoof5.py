# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 5 (arXiv 2408.08739), track 1: sound alone, in English.

``ASVspoof5.train.tsv``, ``ASVspoof5.dev.track_1.tsv`` and ``ASVspoof5.eval.track_1.tsv`` are parted by blanks in spite
of their names: speaker, file, gender, codec, codec quality, original of a coded utterance, attacker adaptation, attack,
class, a reserved column. The first release's ``ASVspoof5.train.metadata.txt`` has speaker, file, gender, -, attack and
class. What track 2 alone needs (enrolment utterances) is no trial, and is told as that.

Source: README.txt of the release (columns, counts, ``flac_T``, ``flac_D``, ``flac_E_eval``); ``Baseline-AASIST`` of
asvspoof-challenge/asvspoof5 (six columns); nii-yamagishilab/AntiDeepfake ``protocols/ASVspoof5.py`` (folders by part).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, one_of, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row
from cad.errors import DataError

LABELS = {"bonafide": 0, "spoof": 1}
SPLITS = {"train": "train", "dev": "val", "eval": "test"}
FOLDERS = {"train": "flac_T", "dev": "flac_D", "eval": "flac_E_eval"}
PROTOCOL = re.compile(
    r"asvspoof5\.(?P<part>train|dev|eval)(\.track_1\.tsv|\.tsv|\.metadata\.txt|\.metainfor\.txt)", re.IGNORECASE
)
ENROLMENT = re.compile(r"asvspoof5\.(dev|eval)(\.track_2)?\.enroll\.(tsv|txt)", re.IGNORECASE)
LANDMARKS = ("*asvspoof5.*.tsv", "*asvspoof5.*.txt")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every utterance of track 1, and name those that only track 2 uses."""
    sounds = {_stem(path): path for path in tree.under("", SOUND_SUFFIXES)}
    # Where a file of each part (T_, D_, E_) lies, a missing one is looked for.
    folders = {name[:2]: path.rpartition("/")[0] for name, path in sounds.items()}
    for path in (*tree.matching("*asvspoof5.*.tsv"), *tree.matching("*asvspoof5.*.txt")):
        name = path.rpartition("/")[2]
        if known := PROTOCOL.fullmatch(name):
            yield from rows_of(
                lines(tree.root / path, 6), partial(_row, sounds=sounds, folders=folders, part=known["part"].lower())
            )
        elif ENROLMENT.fullmatch(name):
            for entry in lines(tree.root / path, 2):
                if isinstance(entry, Problem):
                    yield entry
                    continue
                files = (sounds.get(trial) for trial in entry[1][1].split(","))
                yield from (Problem("not_a_trial", file, "enrols a speaker for track 2") for file in files if file)


def _row(fields: list[str], sounds: dict[str, str], folders: dict[str, str], part: str) -> Row:
    if len(fields) == 6:
        speaker, trial, gender, _, attack, word = fields
        codec, quality, original, adaptation = "-", "-", "-", "-"
    elif len(fields) >= 9:
        speaker, trial, gender, codec, quality, original, adaptation, attack, word = fields[:9]
    else:
        raise DataError(f"has {len(fields)} fields; 10 (or 6, in the first release) are expected")
    label = one_of(LABELS, word, "class")
    told = {"gender": gender, "codec_quality": quality, "adaptation": adaptation}
    return Row(
        path=sounds.get(trial, f"{folders.get(trial[:2], FOLDERS[part])}/{trial}.flac"),
        label=label,
        video_fake=-1,
        audio_fake=label,
        method=attack if label else "real",
        category="none" if codec == "-" else codec,
        identity=speaker,
        # An utterance and what codecs made of it must not be separated.
        pair_id=trial if original == "-" else original,
        split=SPLITS[part],
        language="en",
        note=" ".join(f"{name}={value}" for name, value in told.items() if value != "-"),
    )


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


ADAPTER = Adapter("asvspoof5", "ASVspoof 5", LANDMARKS, rows, SOUND_SUFFIXES)
