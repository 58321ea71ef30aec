# SPDX-License-Identifier: Apache-2.0
"""Says how far an embedded program's answer on a golden clip lies from what cad-detect said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
CLIPS = TESTS / "golden" / "clips"
GOLDEN = json.loads((TESTS / "golden" / "verdicts.json").read_text(encoding="utf-8"))
#: Of the file and of its sound. Pictures are less steady: a detector that multiplies in int8 takes crops that differ in
#: one bit of a thousand, or another runtime's rounding, for a little other pictures.
FILE_TOLERANCE = 0.02
#: Clips that lie nearer to a threshold than such differences (tests/golden/README.md).
AT_A_THRESHOLD = {"still.jpg": 0.03}


def check_agreement(said: dict[str, Any], name: str, picture_tolerance: float) -> None:
    """Fail unless the answer ``said`` on a golden clip is that of cad-detect.

    Args:
        said: Of the schema cad.embedded/1.
        name: Of the clip.
        picture_tolerance: By how much the probabilities of picture and synchrony may differ.
    """
    wanted = GOLDEN[name]
    assert said["schema"] == "cad.embedded/1"
    assert said["kind"] == {"video": "talking_head", "image": "still", "audio": "recording"}[wanted["media"]["kind"]]
    by_picture = wanted["streams"]["audio"]["probability_fake"] is None
    tolerance = picture_tolerance if by_picture else FILE_TOLERANCE
    assert near(said["probability_fake"], wanted["probability_fake"], tolerance), (said, wanted["probability_fake"])
    for stream, value in said["streams"].items():
        within = FILE_TOLERANCE if stream == "audio" else picture_tolerance
        assert near(value, wanted["streams"][stream]["probability_fake"], within), (stream, said, wanted["streams"])
    if name not in AT_A_THRESHOLD:
        assert said["label"] == wanted["label"]
        # Fused evidence of some clips lies right at its threshold.
        unsteady = {"fused_evidence", "short_stretches", "face_evidence"}
        assert set(said["reasons"]) - unsteady == {one["code"] for one in wanted["reasons"]} - unsteady


def near(value: float | None, wanted: float | None, within: float) -> bool:
    """Say whether two probabilities are about the same, or both are missing."""
    if value is None or wanted is None:
        return value is None and wanted is None
    return abs(value - wanted) <= within
