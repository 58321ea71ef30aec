# SPDX-License-Identifier: Apache-2.0
"""ASVspoof 2019 LA and 2021 (LA, DF): sound alone; protocol lines are speaker, file, -, attack, bonafide or spoof.

The keys of 2021 have further columns (codec, transmission, phase ...) behind or between, so the class is found by its
word and the attack by its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cad.data.benchmarks.adapter import Adapter, read_lines
from cad.data.manifest import Problem, Row

LABELS = {"bonafide": 0, "spoof": 1}
SPLIT_WORDS = {"train": "train", "trn": "train", "dev": "val", "eval": "test"}
PROTOCOLS = ("**/*.cm.*.trl.txt", "**/*.cm.*.trn.txt", "**/trial_metadata.txt")
ATTACK = re.compile(r"A\d{2}")


def rows(root: Path) -> Iterator[Row | Problem]:
    """Yield every utterance of every protocol found under ``root``."""
    for protocol in sorted({path for pattern in PROTOCOLS for path in root.glob(pattern)}):
        folder = _sound_folder(protocol, root)
        for line in read_lines(protocol):
            fields = line.split()
            label = next((LABELS[field] for field in fields if field in LABELS), None)
            if label is None or len(fields) < 5:
                yield Problem("bad_entry", fields[1] if len(fields) > 1 else "?", f"not a trial: {line!r}")
            else:
                yield _row(fields, label, folder, _split(protocol))


def _row(fields: list[str], label: int, folder: str, split: str) -> Row:
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


def _split(protocol: Path) -> str:
    words = protocol.name.lower().split(".")
    # The keys of 2021 are all of its evaluation part.
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), "test")


def _sound_folder(protocol: Path, root: Path) -> str:
    """Return the folder of the FLAC files that belong to a protocol, relative to the root."""
    part = next((word for word in protocol.name.split(".") if word in SPLIT_WORDS), "eval")
    part = "train" if part == "trn" else part
    candidates = sorted(path for path in root.glob("**/flac") if part in path.parent.name.lower())
    folder = candidates[0] if candidates else root / "flac"
    return folder.relative_to(root).as_posix()


ADAPTER = Adapter("asvspoof", "ASVspoof 2019 LA / 2021", PROTOCOLS, rows)
