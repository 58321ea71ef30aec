# SPDX-License-Identifier: Apache-2.0
"""The record of a detector's answer on one file, for logs (a JSON line) and tables (a row)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cad.spec import HEADS

#: What is scored of a file: the product's answer for the whole ``file``, and each head by itself.
SCORED = ("file", *HEADS)


@dataclass(frozen=True, slots=True)
class FileScore:
    """A detector's answer on one file.

    Attributes:
        path: As in the manifest.
        answer: ``fake``, ``real``, ``inconclusive`` or ``error``.
        probability: Calibrated probability of fake by head, and of the ``file``; None where there is none.
        logit: Raw clip logit by head, likewise; positive for fake.
        segments: Suspicious stretches: start and stop in seconds, probability, stream.
        reasons: Codes of the reasons given.
        offset_seconds: By how much the sound seems to lag behind the lips; None where it was not estimated.
        error: Code of the error when the file could not be read.
        seconds: Wall-clock time.
    """

    path: str
    answer: str
    probability: Mapping[str, float | None] = field(default_factory=dict)
    logit: Mapping[str, float | None] = field(default_factory=dict)
    segments: tuple[tuple[float, float, float, str], ...] = ()
    reasons: tuple[str, ...] = ()
    error: str = ""
    seconds: float = math.nan
    offset_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            **asdict(self),
            "probability": {head: _rounded(value) for head, value in self.probability.items()},
            "logit": {head: _rounded(value) for head, value in self.logit.items()},
            "seconds": None if math.isnan(self.seconds) else round(self.seconds, 3),
            "offset_seconds": _rounded(self.offset_seconds),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> FileScore:
        """Return the record that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is not one.
        """
        seconds = raw.get("seconds")
        return cls(
            path=str(raw["path"]),
            answer=str(raw["answer"]),
            probability=dict(raw["probability"]),
            logit=dict(raw["logit"]),
            segments=tuple((float(a), float(b), float(p), str(s)) for a, b, p, s in raw["segments"]),
            reasons=tuple(raw["reasons"]),
            error=str(raw["error"]),
            seconds=math.nan if seconds is None else float(seconds),
            offset_seconds=raw.get("offset_seconds"),
        )

    def to_row(self) -> dict[str, Any]:
        """Return the record as one flat row; NaN where a head was not used."""
        return {
            "path": self.path,
            "answer": self.answer,
            **{f"p_{head}": _number(self.probability.get(head)) for head in SCORED},
            **{f"logit_{head}": _number(self.logit.get(head)) for head in HEADS},
            "reasons": " ".join(self.reasons),
            "error": self.error,
            "seconds": self.seconds,
            "offset_seconds": _number(self.offset_seconds),
        }


class FileScorer(Protocol):
    """Anything that scores a file; ``identity`` changes when the scores may change."""

    @property
    def identity(self) -> str:
        """Name and hash of what scores."""
        ...

    def score(self, path: str, file: Path) -> FileScore:
        """Return what is said of ``file``, which the manifest calls ``path``; a bad file is an answer, not an error."""
        ...


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
