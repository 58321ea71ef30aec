# SPDX-License-Identifier: Apache-2.0
"""The verdict as records; ``cad.report.json_document`` writes them under the schema ``cad.verdict/1``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SCHEMA = "cad.verdict/1"


class Label(StrEnum):
    """What is said of a file; INCONCLUSIVE always comes with reasons."""

    FAKE = "fake"
    REAL = "real"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class StreamEvidence:
    """One stream's own probability, or None and the reason why it was not scored."""

    probability_fake: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A suspicious stretch [start, stop) in grid seconds, and the stream that raised it."""

    start_seconds: float
    stop_seconds: float
    stream: str
    probability_fake: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the label is what it is, or what limits it: a stable ``code`` and one sentence for a person."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class FaceSummary:
    """One analysed face: when it is seen, how large, and whether its lips are those that speak."""

    track_id: int
    start_seconds: float
    stop_seconds: float
    height_px: float
    talking: bool | None
    probability_fake: float | None


@dataclass(frozen=True, slots=True)
class MediaSummary:
    """What was read; sizes and rates are None where the stream is absent."""

    kind: str
    duration_seconds: float
    width: int | None
    height: int | None
    fps: float | None
    audio_hz: int | None
    coverage: float
    outcome: str


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Which weights spoke, and on what."""

    name: str
    sha256: str
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one file, with its evidence."""

    path: str
    label: Label
    probability_fake: float | None
    streams: Mapping[str, StreamEvidence]
    segments: tuple[Segment, ...]
    reasons: tuple[Reason, ...]
    faces: tuple[FaceSummary, ...]
    media: MediaSummary
    model: ModelSummary
    seconds: Mapping[str, float]
