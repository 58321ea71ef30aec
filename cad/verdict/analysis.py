# SPDX-License-Identifier: Apache-2.0
"""The record of all that was measured of one file, for verdicts, reports and tables, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cad.faces.track_book import FacePicture, TrackSummary
from cad.media.records import MediaInfo, ReadReport
from cad.values import ValueRecord
from cad.verdict.aggregate import Evidence
from cad.verdict.records import ModelSummary, Reason
from cad.windows import WindowScore


@dataclass(frozen=True, slots=True)
class UnjudgedTrack:
    """A picture or sound of a file that has no part in any analysis.

    Attributes:
        kind: ``video`` or ``audio``.
        number: Which of its kind, from 1.
        why: The reason.
    """

    kind: str
    number: int
    why: Reason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Analysis(ValueRecord):
    """Everything measured of one file; logits are raw, positive for fake, not calibrated.

    Of a file with several pictures or sounds it is about the picture ``info.video`` with the sound ``info.audio``, and
    ``others`` are about the others.

    Attributes:
        path: As the caller named it.
        info: What the file says of itself.
        report: How well it could be read.
        scores: One entry a window, in the order in which they were scored.
        evidence: The scores pooled over time and faces.
        tracks: Every face that was seen.
        slots: Length of the file on the grid.
        speech_slots: In how many slots there is speech-like sound; None where no sound could be read.
        min_slots: Shortest stretch that is judged; a still picture is one slot long.
        model: Which weights spoke, on what.
        seconds: Wall-clock seconds by stage.
        nets: sha256 by name of every net that had a part.
        versions: By distribution the version of what may change a number.
        pictures: A few pictures of every face by track, if they were asked for.
        others: The same of every other picture with every other sound that goes with it.
        unjudged: Tracks that have no part in any of them.
        faces_left_out: How many faces of one picture, at most, were seen and not followed, the smallest of a crowd.
    """

    path: str
    info: MediaInfo
    report: ReadReport
    scores: Sequence[WindowScore]
    evidence: Evidence
    tracks: tuple[TrackSummary, ...]
    slots: int
    speech_slots: int | None
    min_slots: int
    model: ModelSummary
    seconds: Mapping[str, float]
    nets: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[int, tuple[FacePicture, ...]] = field(default_factory=dict)
    others: tuple[Analysis, ...] = ()
    unjudged: tuple[UnjudgedTrack, ...] = ()
    faces_left_out: int = 0

    @property
    def clip_logits(self) -> Mapping[str, float | None]:
        """Logit of the whole file by head, None where there was nothing to judge; these are what is calibrated."""
        return self.evidence.clip_logits

    def of(self, video: int | None) -> Analysis:
        """Return the first analysis of a picture by its number, itself where there is none."""
        both = (self, *self.others)
        return next((one for one in both if one.info.video is not None and one.info.video.number == video), self)

    @property
    def is_too_short(self) -> bool:
        """Whether the file is shorter than anything that the model can judge."""
        return self.slots < self.min_slots
