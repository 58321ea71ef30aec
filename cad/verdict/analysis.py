# SPDX-License-Identifier: Apache-2.0
"""What was measured of one file, before anything is decided: all that a verdict, a report or a table needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cad.media.records import MediaInfo, MediaKind, ReadReport
from cad.spec import ModelSpec
from cad.verdict.aggregate import Evidence
from cad.verdict.records import ModelSummary
from cad.verdict.tracks import TrackSummary
from cad.windows import WindowScore


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything measured of one file; logits are raw, positive for fake, not calibrated.

    Attributes:
        path: As the caller named it.
        info: What the file says of itself.
        report: How well it could be read.
        scores: One entry a window, in the order in which they were scored.
        evidence: The scores pooled over time and faces.
        tracks: Every face that was seen.
        slots: Length of the file on the grid.
        speech_slots: In how many slots there is speech-like sound; None where no sound could be read.
        spec: The model's.
        model: Which weights, on what.
        seconds: Wall-clock seconds by stage.
    """

    path: str
    info: MediaInfo
    report: ReadReport
    scores: tuple[WindowScore, ...]
    evidence: Evidence
    tracks: tuple[TrackSummary, ...]
    slots: int
    speech_slots: int | None
    spec: ModelSpec
    model: ModelSummary
    seconds: Mapping[str, float]

    @property
    def clip_logits(self) -> Mapping[str, float | None]:
        """Logit of the whole file by head, None where there was nothing to judge; these are what is calibrated."""
        return self.evidence.clip_logits

    @property
    def min_slots(self) -> int:
        """Shortest stretch that is judged; a still picture is one slot long."""
        return min_slots(self.info.kind, self.spec)


def min_slots(kind: MediaKind, spec: ModelSpec) -> int:
    """Return the shortest stretch of a file of this kind that the model can judge, in slots."""
    return 1 if kind is MediaKind.IMAGE else spec.min_frames
