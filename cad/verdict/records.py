# SPDX-License-Identifier: Apache-2.0
"""The records of a verdict, for callers; ``cad.verdict.document`` writes and reads them as ``cad.verdict/1``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cad.spec import OperatingPoint
from cad.values import ValueRecord

SCHEMA = "cad.verdict/1"


class Label(StrEnum):
    """What is said of a file; INCONCLUSIVE always comes with reasons."""

    FAKE = "fake"
    REAL = "real"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class StreamEvidence:
    """What one stream says by itself.

    Attributes:
        probability_fake: In [0, 1], or None if it was not judged.
        reason: Why it was not judged, in words; None if it was.
    """

    probability_fake: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A suspicious stretch of the file.

    Attributes:
        start_seconds: Where it starts, grid time.
        stop_seconds: Where it ends (half open).
        stream: Which stream raised it: ``video``, ``audio`` or ``sync``.
        probability_fake: Mean over the stretch, in [0, 1].
    """

    start_seconds: float
    stop_seconds: float
    stream: str
    probability_fake: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the label is what it is, or what limits it.

    Attributes:
        code: Stable, for programs.
        text: One sentence for a person.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class FaceSummary:
    """One face that was seen.

    Attributes:
        track_id: Stable within the file, from 0 in order of appearance.
        start_seconds: When it is first seen, grid time.
        stop_seconds: When it is last seen (half open).
        height_px: Median height of its box in the source picture.
        active_speaker: Whether its lips are those that speak; None without sound.
        probability_fake: In [0, 1], or None if it was not judged.
    """

    track_id: int = field(metadata={"key": "id"})
    start_seconds: float
    stop_seconds: float
    height_px: float
    active_speaker: bool | None = field(metadata={"key": "talking"})
    probability_fake: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A stream's probability of fake over time, smoothed, as the report draws it.

    Attributes:
        step_seconds: Length of a bin; the first one starts at zero, grid time.
        probabilities: The highest of each bin, in [0, 1]; None where nothing was scored.
    """

    step_seconds: float
    probabilities: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class MediaTrack:
    """One picture or sound of the file.

    Attributes:
        kind: ``video`` or ``audio``.
        number: Which of its kind, from 1, as ``--video-track`` and ``--audio-track`` take it.
        codec: FFmpeg's name of it.
        language: As the file tags it, such as ``eng``; empty without a tag.
        title: Likewise.
        is_default: Whether the file marks it as the one to play.
        judged: Whether it could be judged.
        reason: Why it was not, in words; None if it was.
        probability_fake: What it says by itself, in [0, 1], or None if it was not judged.
        partners: Numbers of the tracks of the other kind with which it was judged.
        pair_probability_fake: Of the most suspicious of these pairs, in [0, 1]; None if none could be judged.
    """

    kind: str
    number: int
    codec: str
    language: str
    title: str
    is_default: bool = field(metadata={"key": "default"})
    judged: bool
    reason: str | None
    probability_fake: float | None
    partners: tuple[int, ...] = ()
    pair_probability_fake: float | None = None


@dataclass(frozen=True, slots=True)
class MediaSummary:
    """What was read.

    Attributes:
        kind: ``video``, ``image`` or ``audio``.
        duration_seconds: As the container declares it, or as it was read.
        width: Of the picture in pixels, after rotation; None without picture.
        height: Likewise.
        fps: Pictures a second; None without moving picture.
        audio_hz: Samples a second in the file; None without sound.
        coverage: Share that could be read, in [0, 1].
        outcome: How reading ended, such as ``ok`` or ``partial``.
        sha256: Of the file's bytes, lower-case hex; empty where it is not known.
        tracks: Every picture and sound of the file, judged or not.
        video_track: Number of the picture that the verdict shows; None without one.
        audio_track: Number of the sound, likewise.
        size_bytes: Of the file; 0 where there is none.
        joints_seconds: When the later parts of joined recordings start, grid time: there the time stamps jump.
        start_seconds: When the file's own clock (what a player or an editor shows of its time stamps) stands at second
            0 of this verdict: add it to a time told here. After a joint the file's clock is another one.
        sandbox: What confined the process that decoded it: ``limits`` (on memory and time), ``landlock`` (no file by
            name), ``seccomp`` (system calls); null where the caller had decoded it.
    """

    kind: str
    duration_seconds: float
    width: int | None
    height: int | None
    fps: float | None
    audio_hz: int | None
    coverage: float
    outcome: str
    sha256: str = ""
    tracks: tuple[MediaTrack, ...] = ()
    video_track: int | None = None
    audio_track: int | None = None
    size_bytes: int = 0
    joints_seconds: tuple[float, ...] = ()
    start_seconds: float = 0.0
    sandbox: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Which weights spoke.

    Attributes:
        name: Of the detector's weights.
        sha256: Of their file, lower-case hex.
        providers: What ONNX Runtime really ran it on.
    """

    name: str
    sha256: str
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberKeys:
    """Under which keys of the model's spec the numbers stand that judged a head or a peak of this file.

    Attributes:
        calibration: Of the scaling: the head's name, or with the domain (``video@still``); null where there is none.
        operating_point: Of the thresholds, likewise.
    """

    calibration: str | None
    operating_point: str | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Verdict(ValueRecord):
    """What is said of one file, with all the evidence that a report needs.

    Attributes:
        path: The file as the caller named it.
        label: The answer.
        probability_fake: Calibrated, in [0, 1], of the evidence that decided; None if nothing could be judged.
        streams: By stream (``video``, ``audio``, ``sync``) what it says by itself.
        segments: Suspicious stretches in order of time.
        reasons: Why, the weightiest first.
        faces: Every face that was seen.
        media: What was read.
        model: Which weights spoke.
        seconds: Wall-clock seconds by stage, and ``total``.
        curves: By stream its probability over time; empty for a still picture.
        operating_points: By head (``fused``, ``video``, ``audio``, ``sync``) where the label changes; a head that was
            never calibrated has none. ``video_alone`` and ``audio_alone``, in models that let a stream stand alone:
            from where on it makes a file fake whatever the fused head says.
        nets: sha256 by name of every net that had a part: the detector's and those that find faces.
        versions: By distribution the version of what may change a number.
        domain: Kind of file whose numbers hold: ``recording`` (sound alone), ``talking_head`` (video with or without
            sound) or ``still``; empty in a verdict of a version that knew none.
        numbers: By head (and ``video_peak``, ``audio_peak``, ``video_alone``, ``audio_alone``) which numbers of the
            model were used.
    """

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
    curves: Mapping[str, Curve] = field(default_factory=dict)
    operating_points: Mapping[str, OperatingPoint] = field(default_factory=dict)
    nets: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    domain: str = ""
    numbers: Mapping[str, NumberKeys] = field(default_factory=dict)

    def __repr__(self) -> str:
        chance = "" if self.probability_fake is None else f" {self.probability_fake:.2f}"
        return f"Verdict({self.path[-60:]!r}: {self.label.value}{chance}, {len(self.segments)} segments)"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values under the schema ``cad.verdict/1``; ``json.dumps`` takes them."""
        from cad.verdict.document import verdict_document

        return verdict_document(self)

    def to_json(self, indent: int | None = None) -> str:
        """Return ``to_dict()`` as JSON text."""
        from cad.verdict.document import json_text

        return json_text(self.to_dict(), indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Verdict:
        """Return the verdict that ``to_json`` wrote; numbers have the digits that were written.

        Raises:
            DocumentError: The text is no verdict under the schema ``cad.verdict/1``.
        """
        from cad.verdict.document import read_verdict

        return read_verdict(text)
