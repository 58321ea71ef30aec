# SPDX-License-Identifier: Apache-2.0
"""The table of every reason that a verdict may give: what it does to the label, when it holds, and its sentence.

The label follows from this table alone (cad.verdict.decide). A reason is given wherever it holds, whatever the label
is, in the order of the table: first how the file was read, then what speaks against it, then what could not be judged.
``python -m cad.verdict.reasons`` prints the table for docs/verdict.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cad.media.records import MediaKind
from cad.spec import STREAMS
from cad.verdict import validity
from cad.verdict.calibrate import Calibrated
from cad.verdict.charges import (
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
    segments_of,
)
from cad.verdict.records import Reason, Segment

#: Offsets under this are within what careful muxing leaves, and within the model's own error.
MIN_OFFSET_SECONDS = 0.12
#: Offsets are constant if this share of the windows is within MAX_OFFSET_SPREAD_SECONDS of the median.
CONSTANT_SHARE = 0.8
MAX_OFFSET_SPREAD_SECONDS = 0.06
MIN_OFFSET_WINDOWS = 2

#: More faces than this are counted, not named.
MAX_FACES_NAMED = 8

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
        sentence: Returns the sentence for a person where the reason holds, else None; its docstring says when that is.
        is_about_reading: Whether it tells how the file was read, which is said before everything else.
    """

    code: str
    effect: Effect
    sentence: Callable[[Calibrated], str | None]
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
    return code == "tracks_left_out" or any(row.is_about_reading for row in TABLE if row.code == code)


def table_text() -> str:
    """Return the table as docs/verdict.md has it."""
    lines = [f"| `{row.code}` | {_meaning(row)} | {row.effect.value} |" for row in TABLE]
    lines += [f"| `{code}` | {meaning} | none |" for code, meaning in OF_TRACKS.items()]
    return "\n".join(["| code | meaning | what it does to the label |", "|---|---|---|", *lines]) + "\n"


def _meaning(row: Row) -> str:
    said = str(row.sentence.__doc__).removesuffix(".")
    return said[0].lower() + said[1:]


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
    """Picture and sound together are at or over their threshold."""
    return None if only_sync_speaks(evidence) else _charge(evidence, "fused")


def video_evidence(evidence: Calibrated) -> str | None:
    """The picture is at or over its threshold, where it is judged without sound or stands alone beside both."""
    return _charge(evidence, "video")


def audio_evidence(evidence: Calibrated) -> str | None:
    """The sound is at or over its threshold, where it is judged without a face or stands alone beside both."""
    return _charge(evidence, "audio")


def listener_evidence(evidence: Calibrated) -> str | None:
    """The picture of a face that does not speak is at or over the threshold."""
    return _charge(evidence, "listener")


def video_peak_evidence(evidence: Calibrated) -> str | None:
    """The most suspicious stretch of a face is at or over its threshold, and when."""
    return _charge(evidence, "video_peak")


def audio_peak_evidence(evidence: Calibrated) -> str | None:
    """The most suspicious stretch of the sound is at or over its threshold, and when."""
    return _charge(evidence, "audio_peak")


def sync_only(evidence: Calibrated) -> str | None:
    """Synchrony is at or over its threshold, and neither picture nor sound by itself is suspicious."""
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
    """Synchrony is at or over its threshold, besides other evidence."""
    return _sync_above(evidence) if is_out_of_sync(evidence) and not only_sync_speaks(evidence) else None


def _sync_above(evidence: Calibrated) -> str:
    sync = evidence.probabilities["sync"]
    assert sync is not None
    value, threshold = figures(sync, evidence.points["sync"].fake_threshold)
    return f"{_DUBBING}: probability {value}, at or above the threshold {threshold}"


def video_alone(evidence: Calibrated) -> str | None:
    """The picture by itself is at or over its threshold, where the fused head judges both, and does not stand alone."""
    return _alone(evidence, "video")


def audio_alone(evidence: Calibrated) -> str | None:
    """The sound by itself is at or over its threshold, where the fused head judges both, and does not stand alone."""
    return _alone(evidence, "audio")


def _alone(evidence: Calibrated, stream: str) -> str | None:
    if _charge(evidence, stream):
        return None
    for one in find_streams(evidence):
        if one.kind == stream and one.point is not None and one.is_proven:
            value, threshold = figures(one.probability, one.point.fake_threshold)
            return f"{one.what} by itself: probability {value}, at or above its threshold {threshold}"
    return None


def face_evidence(evidence: Calibrated) -> str | None:
    """One face of several, or one that the mean over time hides, is at or over its threshold, and when."""
    faces = find_faces(evidence)
    above = [face for face in faces if face.is_proven]
    if not above or (len(faces) == 1 and _charge(evidence, faces[0].head)):
        return None  # the only face says no more than what was said of the whole file
    first = max(above, key=lambda face: face.probability)
    assert first.point is not None
    value, threshold = figures(first.probability, first.point.fake_threshold)
    others = [face.track_id for face in above if face is not first]
    too = f"; at or above theirs as well: {faces_named(others)}" if others else ""
    return (
        f"face {first.track_id} ({first.start_seconds:.1f} s to {first.stop_seconds:.1f} s): probability {value}, "
        f"at or above its threshold {threshold}{too}"
    )


def faces_named(track_ids: Sequence[int]) -> str:
    """Return faces by name, and how many more there are.

    Example:
        >>> faces_named([3, 1]), faces_named(range(300))
        ('face 1, 3', 'face 0, 1, 2, 3, 4, 5, 6, 7 and 292 more')
    """
    first, rest = sorted(track_ids)[:MAX_FACES_NAMED], len(track_ids) - MAX_FACES_NAMED
    return f"face {', '.join(map(str, first))}" + (f" and {rest} more" if rest > 0 else "")


def uncalibrated(evidence: Calibrated) -> str | None:
    """No threshold was chosen for the evidence that decides."""
    if all(charge.point is not None for charge in find_charges(evidence)):
        return None
    return _uncalibrated("has no threshold for", "no verdict rests on it")


def raw_score(evidence: Calibrated) -> str | None:
    """A threshold of the user's own decides on a raw score."""
    charges = find_charges(evidence)
    if all(charge.is_calibrated for charge in charges):
        return None
    return _uncalibrated("was never calibrated on", "its figure is a raw score, not a probability")


def _uncalibrated(lacks: str, hence: str) -> str:
    return f"this model {lacks} the evidence that decides here: {hence} (export/calibrate.py calibrates it)"


def between_thresholds(evidence: Calibrated) -> str | None:
    """What decides points neither way."""
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
    """The sound is not suspicious, the picture was not judged."""
    has_picture = evidence.analysis.info.video is not None
    if not has_picture or validity.is_judged(evidence, "video") or not looks_real(evidence, "audio"):
        return None
    return "the sound alone raises no suspicion, but the picture could not be judged"


def frozen_picture(evidence: Calibrated) -> str | None:
    """The face never moves: a photograph under the sound."""
    if not is_only_frozen(evidence):
        return None
    return "the picture of the face never moves, as a photograph shown throughout; it is no evidence of a genuine face"


def frozen_face(evidence: Calibrated) -> str | None:
    """A face beside others never moves: a photograph in the picture."""
    frozen = frozen_faces(evidence)
    if not frozen or is_only_frozen(evidence):
        return None
    return f"never moving, as a photograph in the picture, and no evidence of a genuine face: {faces_named(frozen)}"


def short_stretches(evidence: Calibrated) -> str | None:
    """A stream reaches its threshold for a moment, and when."""
    by_stream: dict[str, list[Segment]] = {}
    for segment in segments_of(evidence):
        by_stream.setdefault(segment.stream, []).append(segment)
    return "; ".join(filter(None, (_stretches(evidence, *one) for one in by_stream.items()))) or None


def _stretches(evidence: Calibrated, stream: str, segments: list[Segment]) -> str | None:
    whole, point = evidence.probabilities[stream], evidence.points.get(stream)
    if whole is None or point is None or whole >= point.fake_threshold or _charge(evidence, f"{stream}_peak"):
        return None  # not judged, or named already
    best = max(segments, key=lambda segment: segment.probability_fake)
    value, threshold = figures(whole, point.fake_threshold)
    many = "one stretch" if len(segments) == 1 else f"{len(segments)} stretches, the strongest"
    return (
        f"{stream} reaches its threshold {threshold} for a moment, though not over the whole file ({value}): {many} "
        f"from {best.start_seconds:.2f} s to {best.stop_seconds:.2f} s (mean {best.probability_fake:.2f})"
    )


def constant_offset(evidence: Calibrated) -> str | None:
    """Sound and lips are apart by the same time throughout."""
    offset = constant_offset_seconds(evidence)
    if offset is None or not is_suspicious(evidence, "sync"):
        return None
    way = "lags behind" if offset > 0 else "runs ahead of"
    return f"the sound {way} the lips by about {abs(offset):.2f} s throughout, as after careless dubbing or muxing"


def still_image(evidence: Calibrated) -> str | None:
    """One picture is weak evidence."""
    if evidence.analysis.info.kind is not MediaKind.IMAGE:
        return None
    return "a single picture shows nothing of movement or sound; it is weak evidence"


def several_faces(evidence: Calibrated) -> str | None:
    """How many faces were judged, and whose figure is the highest."""
    faces: list[FaceCharge] = find_faces(evidence)
    if len(faces) < 2:
        return None
    highest = max(faces, key=lambda face: face.probability)
    return (
        f"{len(faces)} faces were judged; the highest figure, {highest.probability:.2f}, "
        f"is that of face {highest.track_id}"
    )


def faces_left_out(evidence: Calibrated) -> str | None:
    """There are more faces than are followed: the smallest of a crowd have no part in the verdict."""
    count = evidence.analysis.faces_left_out
    if not count:
        return None
    return f"{count} more {'face was' if count == 1 else 'faces were'} seen, the smallest of a crowd, and not judged"


#: In the order in which reasons are told. Two rows with one code: the first that holds is told.
TABLE = (
    Row("changed_while_reading", Effect.NO_VERDICT, validity.changed_while_reading, is_about_reading=True),
    Row("encrypted", Effect.NOT_REAL, validity.encrypted, is_about_reading=True),
    Row("crashed", Effect.NOT_REAL, validity.crashed, is_about_reading=True),
    Row("low_coverage", Effect.NO_VERDICT, validity.low_coverage, is_about_reading=True),
    Row("partly_read", Effect.NOT_REAL, validity.partly_read, is_about_reading=True),
    Row("read_stopped", Effect.NOTE, validity.read_stopped, is_about_reading=True),
    Row("picture_unreadable", Effect.NOT_REAL, validity.picture_unreadable, is_about_reading=True),
    Row("audio_unreadable", Effect.NOT_REAL, validity.audio_unreadable, is_about_reading=True),
    Row("joined_parts", Effect.NOTE, validity.joined_parts, is_about_reading=True),
    Row("not_judged", Effect.NOTE, validity.not_judged, is_about_reading=True),
    Row("sparse_picture", Effect.NOT_REAL, validity.sparse_picture, is_about_reading=True),
    Row("too_short", Effect.NO_VERDICT, validity.too_short),
    Row("fused_evidence", Effect.FAKE, fused_evidence),
    Row("video_evidence", Effect.FAKE, video_evidence),
    Row("audio_evidence", Effect.FAKE, audio_evidence),
    Row("listener_evidence", Effect.FAKE, listener_evidence),
    Row("video_peak_evidence", Effect.FAKE, video_peak_evidence),
    Row("audio_peak_evidence", Effect.FAKE, audio_peak_evidence),
    Row("sync_only", Effect.NOT_REAL, sync_only),
    Row("out_of_sync", Effect.NOT_REAL, out_of_sync),
    Row("face_evidence", Effect.NOT_REAL, face_evidence),
    Row("video_alone", Effect.NOT_REAL, video_alone),
    Row("audio_alone", Effect.NOT_REAL, audio_alone),
    Row("uncalibrated", Effect.NOT_REAL, uncalibrated),
    Row("uncalibrated", Effect.NOTE, raw_score),
    Row("between_thresholds", Effect.NOT_REAL, between_thresholds),
    Row("picture_not_judged", Effect.NOT_REAL, picture_not_judged),
    Row("frozen_picture", Effect.NOT_REAL, frozen_picture),
    Row("no_picture", Effect.NOTE, validity.no_picture),
    Row("no_face", Effect.NOTE, validity.no_face),
    Row("face_too_small", Effect.NOTE, validity.face_too_small),
    Row("face_too_short", Effect.NOTE, validity.face_too_short),
    Row("no_audio", Effect.NOTE, validity.no_audio),
    Row("no_speech", Effect.NOTE, validity.no_speech),
    Row("speech_too_short", Effect.NOTE, validity.speech_too_short),
    Row("never_together", Effect.NOTE, validity.never_together),
    Row("no_video_head", Effect.NOTE, validity.no_video_head),
    Row("no_audio_head", Effect.NOTE, validity.no_audio_head),
    Row("no_sync_head", Effect.NOTE, validity.no_sync_head),
    Row("short_stretches", Effect.NOTE, short_stretches),
    Row("constant_offset", Effect.NOTE, constant_offset),
    Row("frozen_face", Effect.NOTE, frozen_face),
    Row("still_image", Effect.NOTE, still_image),
    Row("several_faces", Effect.NOTE, several_faces),
    Row("faces_left_out", Effect.NOTE, faces_left_out),
)
#: Told of several pictures or sounds together, before all others (cad.verdict.tracks).
OF_TRACKS = {
    "several_tracks": "which of several pictures and sounds decided, and what is said of the others",
    "tracks_left_out": "pictures or sounds that have no part in the verdict, and why",
    "same_sound": "why a sound was not judged once more (in `media.tracks`)",
    "track_not_asked_for": "why a track was not judged (in `media.tracks` and `tracks_left_out`)",
    "track_over_limit": "likewise",
    "track_out_of_time": "likewise",
}
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
