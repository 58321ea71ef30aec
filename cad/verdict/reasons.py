# SPDX-License-Identifier: Apache-2.0
"""The table of every reason that a verdict may give: what it does to the label, when it holds, and its sentence.

The label follows from this table alone (cad.verdict.decide). A reason is given wherever it holds, whatever the label
is, in the order of the table: first how the file was read, then what speaks against it, then what could not be judged.
``python -m cad.verdict.reasons`` prints the table for docs/verdict.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cad.media.records import MediaKind
from cad.spec import STREAMS
from cad.verdict import validity
from cad.verdict.calibrate import Calibrated
from cad.verdict.charges import (
    NAMES,
    Charge,
    FaceCharge,
    figures,
    find_charges,
    find_faces,
    find_streams,
    frozen_faces,
    is_only_frozen,
    is_out_of_sync,
    is_suspicious,
    looks_real,
    only_sync_speaks,
)
from cad.verdict.records import Reason, Segment
from cad.verdict.segments import find_segments

#: Offsets under this are within what careful muxing leaves, and within the model's own error.
MIN_OFFSET_SECONDS = 0.12
#: Offsets are constant if this share of the windows is within MAX_OFFSET_SPREAD_SECONDS of the median.
CONSTANT_SHARE = 0.8
MAX_OFFSET_SPREAD_SECONDS = 0.06
MIN_OFFSET_WINDOWS = 2

_DUBBING = "sound and lips do not belong together, which dubbing does too"


class Effect(StrEnum):
    """What a reason does to the label; the value is how the documentation says it."""

    NO_VERDICT = "inconclusive, whatever else there is"
    FAKE = "fake"
    NOT_REAL = "not real: inconclusive unless something makes it fake"
    NOTE = "none"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        code: Stable, for programs.
        effect: What it does to the label.
        sentence: Returns the sentence for a person where the reason holds, else None.
        meaning: In a line, for the documentation.
        is_about_reading: Whether it tells how the file was read, which is said before everything else.
    """

    code: str
    effect: Effect
    sentence: Callable[[Calibrated], str | None]
    meaning: str
    is_about_reading: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason that holds for a file, and what it does to the label."""

    reason: Reason
    effect: Effect


def find_reasons(evidence: Calibrated) -> list[Finding]:
    """Return every reason that holds, in the order of the table, each code once."""
    found: dict[str, Finding] = {}
    for row in TABLE:
        text = row.sentence(evidence)
        if text is not None:
            found.setdefault(row.code, Finding(Reason(row.code, text), row.effect))
    return list(found.values())


def missing_streams(evidence: Calibrated) -> dict[str, Reason | None]:
    """Return by stream why it was not judged, None where it was."""
    return {
        stream: None if evidence.probabilities[stream] is not None else _why_missing(evidence, stream)
        for stream in STREAMS
    }


def is_about_reading(code: str) -> bool:
    """Say whether a reason tells how the file was read."""
    return any(row.is_about_reading for row in TABLE if row.code == code)


def table_text() -> str:
    """Return the table as docs/verdict.md has it."""
    lines = [f"| `{row.code}` | {row.meaning} | {row.effect.value} |" for row in TABLE]
    return "\n".join(["| code | meaning | what it does to the label |", "|---|---|---|", *lines]) + "\n"


def constant_offset_seconds(evidence: Calibrated) -> float | None:
    """Return the constant lag of the sound behind the lips in seconds; None where there is none, or it varies."""
    offsets = np.array(evidence.analysis.evidence.offsets_seconds)
    if len(offsets) < MIN_OFFSET_WINDOWS:
        return None
    middle = float(np.median(offsets))
    steady = np.mean(np.abs(offsets - middle) <= MAX_OFFSET_SPREAD_SECONDS) >= CONSTANT_SHARE
    return middle if steady and abs(middle) >= MIN_OFFSET_SECONDS else None


def _why_missing(evidence: Calibrated, stream: str) -> Reason:
    """Return the first reason that holds of those for which the stream, or one that it needs, may be missing."""
    needed = [stream]
    if stream == "sync":
        needed += [one for one in ("video", "audio") if evidence.probabilities[one] is None]
    for one in needed:
        for code in _ABSENCES[one]:
            text = next(row.sentence(evidence) for row in TABLE if row.code == code)
            if text is not None:
                return Reason(code, text)
    raise AssertionError(f"no reason says why {stream} was not judged")


def _charge(evidence: Calibrated, kind: str) -> str | None:
    """Return the sentence on a piece of evidence that is at or over its threshold."""
    return next((_above(one) for one in find_charges(evidence) if one.kind == kind and one.is_proven), None)


def _above(charge: Charge) -> str:
    assert charge.point is not None
    value, threshold = figures(charge.probability, charge.point.fake_threshold)
    return f"{charge.what}: probability {value}, at or above the threshold {threshold}"


def fused_evidence(evidence: Calibrated) -> str | None:
    return None if only_sync_speaks(evidence) else _charge(evidence, "fused")


def video_evidence(evidence: Calibrated) -> str | None:
    return _charge(evidence, "video")


def audio_evidence(evidence: Calibrated) -> str | None:
    return _charge(evidence, "audio")


def listener_evidence(evidence: Calibrated) -> str | None:
    return _charge(evidence, "listener")


def video_peak_evidence(evidence: Calibrated) -> str | None:
    return _charge(evidence, "video_peak")


def audio_peak_evidence(evidence: Calibrated) -> str | None:
    return _charge(evidence, "audio_peak")


def sync_only(evidence: Calibrated) -> str | None:
    if not only_sync_speaks(evidence):
        return None
    clean = [stream for stream in ("video", "audio") if looks_real(evidence, stream)]
    rest = {
        ("video", "audio"): "; neither the picture nor the sound by itself looks forged",
        ("video",): "; the picture by itself does not look forged",
        ("audio",): "; the sound by itself does not look forged",
    }.get(tuple(clean), "")
    fused = _charge(evidence, "fused")
    return _sync_above(evidence) + rest + (f" ({fused})" if fused else "")


def out_of_sync(evidence: Calibrated) -> str | None:
    return _sync_above(evidence) if is_out_of_sync(evidence) and not only_sync_speaks(evidence) else None


def _sync_above(evidence: Calibrated) -> str:
    sync = evidence.probabilities["sync"]
    assert sync is not None
    value, threshold = figures(sync, evidence.points["sync"].fake_threshold)
    return f"{_DUBBING}: probability {value}, at or above the threshold {threshold}"


def video_alone(evidence: Calibrated) -> str | None:
    return _alone(evidence, "video")


def audio_alone(evidence: Calibrated) -> str | None:
    return _alone(evidence, "audio")


def _alone(evidence: Calibrated, stream: str) -> str | None:
    for one in find_streams(evidence):
        if one.kind == stream and one.point is not None and one.is_proven:
            value, threshold = figures(one.probability, one.point.fake_threshold)
            return f"{one.what} by itself: probability {value}, at or above its threshold {threshold}"
    return None


def face_evidence(evidence: Calibrated) -> str | None:
    faces = find_faces(evidence)
    above = [face for face in faces if face.is_proven]
    if not above or (len(faces) == 1 and _charge(evidence, faces[0].head)):
        return None  # the only face says no more than what was said of the whole file
    first = max(above, key=lambda face: face.probability)
    assert first.point is not None
    value, threshold = figures(first.probability, first.point.fake_threshold)
    others = sorted(face.track_id for face in above if face is not first)
    too = f"; at or above theirs as well: face {', '.join(map(str, others))}" if others else ""
    return (
        f"face {first.track_id} ({first.start_seconds:.1f} s to {first.stop_seconds:.1f} s): probability {value}, "
        f"at or above its threshold {threshold}{too}"
    )


def uncalibrated(evidence: Calibrated) -> str | None:
    if all(charge.point is not None for charge in find_charges(evidence)):
        return None
    return _uncalibrated("has no threshold for", "no verdict rests on it")


def raw_score(evidence: Calibrated) -> str | None:
    charges = find_charges(evidence)
    if all(charge.is_calibrated for charge in charges):
        return None
    return _uncalibrated("was never calibrated on", "its figure is a raw score, not a probability")


def _uncalibrated(lacks: str, hence: str) -> str:
    return f"this model {lacks} the evidence that decides here: {hence} (export/calibrate.py calibrates it)"


def between_thresholds(evidence: Calibrated) -> str | None:
    charges = find_charges(evidence)
    between = [one for one in charges if one.is_between]
    if not between or any(one.is_proven for one in charges):
        return None
    return "; ".join(map(_between, between))


def _between(charge: Charge) -> str:
    assert charge.point is not None
    value, low, high = figures(charge.probability, charge.point.real_threshold, charge.point.fake_threshold)
    return f"{charge.what}: the probability {value} lies between {low} (real below) and {high} (fake from)"


def picture_not_judged(evidence: Calibrated) -> str | None:
    has_picture = evidence.analysis.info.video is not None
    if not has_picture or validity.is_judged(evidence, "video") or not looks_real(evidence, "audio"):
        return None
    return "the sound alone raises no suspicion, but the picture could not be judged"


def frozen_picture(evidence: Calibrated) -> str | None:
    if not is_only_frozen(evidence):
        return None
    return "the picture of the face never moves, as a photograph shown throughout; it is no evidence of a genuine face"


def frozen_face(evidence: Calibrated) -> str | None:
    frozen = frozen_faces(evidence)
    if not frozen or is_only_frozen(evidence):
        return None
    named = ", ".join(map(str, frozen))
    return f"never moving, as a photograph in the picture, and no evidence of a genuine face: face {named}"


def short_stretches(evidence: Calibrated) -> str | None:
    by_stream: dict[str, list[Segment]] = {}
    for segment in find_segments(evidence.curves, evidence.points):
        by_stream.setdefault(segment.stream, []).append(segment)
    return "; ".join(filter(None, (_stretches(evidence, *one) for one in by_stream.items()))) or None


def _stretches(evidence: Calibrated, stream: str, segments: list[Segment]) -> str | None:
    whole, point = evidence.probabilities[stream], evidence.points[stream]
    if whole is None or whole >= point.fake_threshold:
        return None
    best = max(segments, key=lambda segment: segment.probability_fake)
    value, threshold = figures(whole, point.fake_threshold)
    many = "one stretch" if len(segments) == 1 else f"{len(segments)} stretches, the strongest"
    return (
        f"{stream} reaches its threshold {threshold} for a moment, though not over the whole file ({value}): {many} "
        f"from {best.start_seconds:.2f} s to {best.stop_seconds:.2f} s (mean {best.probability_fake:.2f})"
    )


def constant_offset(evidence: Calibrated) -> str | None:
    offset = constant_offset_seconds(evidence)
    if offset is None or not is_suspicious(evidence, "sync"):
        return None
    way = "lags behind" if offset > 0 else "runs ahead of"
    return (
        f"the sound {way} the lips by about {abs(offset):.2f} s throughout, as after careless dubbing or muxing"
    )


def still_image(evidence: Calibrated) -> str | None:
    if evidence.analysis.info.kind is not MediaKind.IMAGE:
        return None
    return "a single picture shows nothing of movement or sound; it is weak evidence"


def several_faces(evidence: Calibrated) -> str | None:
    faces: list[FaceCharge] = find_faces(evidence)
    if len(faces) < 2:
        return None
    highest = max(faces, key=lambda face: face.probability)
    return (
        f"{len(faces)} faces were judged; the highest figure, {highest.probability:.2f}, "
        f"is that of face {highest.track_id}"
    )


_READ = True
_NONE, _HOLDS, _FAKE, _NOTE = Effect.NO_VERDICT, Effect.NOT_REAL, Effect.FAKE, Effect.NOTE
#: In the order in which reasons are told. Two rows with one code: the first that holds is told.
TABLE = (
    Row("encrypted", _HOLDS, validity.encrypted, "the file is encrypted, whole or in part", _READ),
    Row("crashed", _HOLDS, validity.crashed, "the decoder crashed, and what came after is not judged", _READ),
    Row("low_coverage", _NONE, validity.low_coverage, "too little of the file could be read", _READ),
    Row("partly_read", _NOTE, validity.partly_read, "not all of the file could be read", _READ),
    Row("read_stopped", _NOTE, validity.read_stopped, "a limit or a fault ended the reading before the end", _READ),
    Row("picture_unreadable", _HOLDS, validity.picture_unreadable, "there is a picture, but none decodes", _READ),
    Row("audio_unreadable", _HOLDS, validity.audio_unreadable, "there is sound, but none decodes", _READ),
    Row("joined_parts", _NOTE, validity.joined_parts, "time stamps jump: recordings joined, and where", _READ),
    Row("sparse_picture", _HOLDS, validity.sparse_picture, "too few pictures a second to see lips move", _READ),
    Row("too_short", _NONE, validity.too_short, "the file is shorter than anything that the model can judge"),
    Row("fused_evidence", _FAKE, fused_evidence, "picture and sound together are at or over their threshold"),
    Row("video_evidence", _FAKE, video_evidence, "the picture is, where it is judged without sound"),
    Row("audio_evidence", _FAKE, audio_evidence, "the sound is, where it is judged without a face"),
    Row("listener_evidence", _FAKE, listener_evidence, "the picture of a face that does not speak is"),
    Row("video_peak_evidence", _FAKE, video_peak_evidence, "the most suspicious stretch of a face is, and when"),
    Row("audio_peak_evidence", _FAKE, audio_peak_evidence, "the most suspicious stretch of the sound is, and when"),
    Row("sync_only", _HOLDS, sync_only, "synchrony is, and neither picture nor sound by itself is suspicious"),
    Row("out_of_sync", _HOLDS, out_of_sync, "synchrony is, besides other evidence"),
    Row("face_evidence", _HOLDS, face_evidence, "one face of several is, or one that the mean over time hides"),
    Row("video_alone", _HOLDS, video_alone, "the picture by itself is, where the fused head judges both"),
    Row("audio_alone", _HOLDS, audio_alone, "the sound by itself is, where the fused head judges both"),
    Row("uncalibrated", _HOLDS, uncalibrated, "no threshold was chosen for the evidence that decides"),
    Row("uncalibrated", _NOTE, raw_score, "a threshold of the user's own decides on a raw score"),
    Row("between_thresholds", _HOLDS, between_thresholds, "what decides points neither way"),
    Row("picture_not_judged", _HOLDS, picture_not_judged, "the sound is not suspicious, the picture was not judged"),
    Row("frozen_picture", _HOLDS, frozen_picture, "the face never moves: a photograph under the sound"),
    Row("no_picture", _NOTE, validity.no_picture, "the file has no picture"),
    Row("no_face", _NOTE, validity.no_face, "no face was found"),
    Row("face_too_small", _NOTE, validity.face_too_small, "every face is too small to judge"),
    Row("face_too_short", _NOTE, validity.face_too_short, "no face is seen for long enough"),
    Row("no_audio", _NOTE, validity.no_audio, "the file has no sound"),
    Row("no_speech", _NOTE, validity.no_speech, "the sound has no speech"),
    Row("speech_too_short", _NOTE, validity.speech_too_short, "there is too little speech"),
    Row("never_together", _NOTE, validity.never_together, "face and speech are never there at once"),
    Row("no_video_head", _NOTE, validity.no_video_head, "the model does not judge the picture by itself"),
    Row("no_audio_head", _NOTE, validity.no_audio_head, "the model does not judge the sound by itself"),
    Row("no_sync_head", _NOTE, validity.no_sync_head, "the model does not judge synchrony"),
    Row("short_stretches", _NOTE, short_stretches, "a stream reaches its threshold for a moment, and when"),
    Row("constant_offset", _NOTE, constant_offset, "sound and lips are apart by the same time throughout"),
    Row("frozen_face", _NOTE, frozen_face, "a face beside others never moves: a photograph in the picture"),
    Row("still_image", _NOTE, still_image, "one picture is weak evidence"),
    Row("several_faces", _NOTE, several_faces, "how many faces were judged, and whose figure is the highest"),
)
#: Why a stream may be missing, in the order in which that is said of it.
_ABSENCES = {
    "video": (
        "no_video_head", "no_picture", "picture_unreadable", "too_short", "no_face", "face_too_small", "face_too_short",
    ),
    "audio": ("no_audio_head", "no_audio", "audio_unreadable", "too_short", "no_speech", "speech_too_short"),
    "sync": ("no_sync_head", "never_together"),
}  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(table_text())
