# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 2019 LA and 2021 (LA, DF): sound alone; protocol lines are speaker, file, -, attack, bonafide or spoof.

The keys of 2021 have further columns (codec, transmission, phase ...) behind or between, so the class is found by its
word and the attack by its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import lines, one_of, rows_of
from cad.data.benchmarks.tree import SOUND_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

LABELS = {"bonafide": 0, "spoof": 1}
SPLIT_WORDS = {"train": "train", "trn": "train", "dev": "val", "eval": "test"}
PROTOCOLS = ("*.cm.*.trl.txt", "*.cm.*.trn.txt", "*trial_metadata.txt")
ATTACK = re.compile(r"A\d{2}")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every utterance of every protocol found under the root."""
    for protocol in sorted({path for pattern in PROTOCOLS for path in tree.matching(pattern)}):
        folder, split = _sound_folder(protocol, tree), _split(protocol)
        yield from rows_of(lines(tree.root / protocol, 5), partial(_row, folder=folder, split=split))


def _row(fields: list[str], folder: str, split: str) -> Row:
    word = next((field for field in fields if field in LABELS), fields[-1])
    label = one_of(LABELS, word, "class")
    attack = next((field for field in fields if ATTACK.fullmatch(field)), "spoof")
    return Row(
        path=f"{folder}/{fields[1]}.flac",
        label=label,
        video_fake=-1,
        audio_fake=label,
        method=attack if label else "real",
        identity=fields[0],
        split=split,
        language="en",
    )


def _split(protocol: str) -> str:
    words = protocol.rpartition("/")[2].lower().split(".")
    # The keys of 2021 are all of its evaluation part.
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), "test")


def _sound_folder(protocol: str, tree: Tree) -> str:
    """Return the folder of the FLAC files that belong to a protocol, relative to the root."""
    part = next((word for word in protocol.rpartition("/")[2].split(".") if word in SPLIT_WORDS), "eval")
    part = "train" if part == "trn" else part
    candidates = [path for path in tree.matching("*flac") if part in path.lower()]
    return candidates[0] if candidates else "flac"


ADAPTER = Adapter("asvspoof", "ASVspoof 2019 LA / 2021", PROTOCOLS, rows, SOUND_SUFFIXES)
