# SPDX-License-Identifier: Apache-2.0
"""Reference vectors from the scores of windows to the verdict: one face and two, no speech, a short forgery, doubt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cad.export.embedding.reference_records import Case
from cad.faces.active_speaker import LipScore
from cad.faces.track_book import TrackSummary
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, Outcome, ReadReport, VideoStreamInfo
from cad.spec import HEADS, STREAMS, ModelSpec
from cad.verdict.aggregate import Evidence, aggregate
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import calibrate
from cad.verdict.decide import decide
from cad.verdict.domain import domain_of
from cad.verdict.records import ModelSummary
from cad.windows import WindowScore, window_spans

#: Codes that the programs leave out: they do nothing to a label.
LEFT_OUT = frozenset({"short_stretches", "constant_offset", "faces_left_out"})
_TOLERANCE = {"clip_logits": 1e-6, "faces": 1e-6, "peaks": 1e-6, "faces_at_once": 1e-9, "probabilities": 1e-6,
              "listeners_video": 1e-6, "probability_fake": 1e-6}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Face:
    """A face of a made file: when it is seen, what the model says of it, and how it looks."""

    first: int
    stop: int
    video: float
    fused: float
    sync: float
    height: float = 120.0
    lips: float = 0.5
    is_frozen: bool = False


def verdict_cases(spec: ModelSpec) -> Iterator[Case]:
    """Yield the cases."""
    quiet = _Face(0, 150, -3.0, -3.0, -1.0)
    forged = _Face(0, 150, 2.5, 3.0, -1.0)
    yield _case("one_genuine_face", spec, 150, [quiet], audio=-3.0)
    yield _case("one_forged_face", spec, 150, [forged], audio=0.5)
    yield _case("between_the_thresholds", spec, 150, [_Face(0, 150, 0.3, 0.3, -1.0)], audio=0.0)
    two = [quiet, _Face(20, 130, 3.5, 1.0, 1.5, lips=0.0)]
    yield _case("two_faces_and_the_listener_is_forged", spec, 150, two, audio=-3.0)
    photograph = _Face(0, 150, 3.0, 2.0, -3.0, is_frozen=True)
    yield _case("a_photograph_beside_a_face", spec, 150, [quiet, photograph], audio=-3.0)
    yield _case("a_photograph_alone", spec, 150, [_Face(0, 150, -3.0, -3.0, -1.0, is_frozen=True)], audio=-3.0)
    yield _case("no_speech", spec, 150, [quiet], audio=None)
    yield _case("no_face", spec, 150, [], audio=2.5)
    yield _case("recording", spec, 400, [], audio=-2.0, kind=MediaKind.AUDIO)
    yield _case("recording_with_a_short_forgery", spec, 1500, [], audio=-2.5, kind=MediaKind.AUDIO, spoilt=(700, 800))
    yield _case("only_sync_speaks", spec, 150, [_Face(0, 150, -3.0, 1.0, 4.0)], audio=-3.0)
    yield _case("a_small_face", spec, 150, [_Face(0, 150, 2.0, 2.0, 0.0, height=30.0)], audio=-3.0)
    yield _case("too_short", spec, 6, [], audio=None)
    yield _case("still", spec, 1, [_Face(0, 1, 0.8, 0.8, 0.0)], audio=None, kind=MediaKind.IMAGE)


def _case(
    name: str,
    spec: ModelSpec,
    slots: int,
    faces: list[_Face],
    audio: float | None,
    kind: MediaKind = MediaKind.VIDEO,
    spoilt: tuple[int, int] = (0, 0),
) -> Case:
    """Return what is said of a made file.

    Args:
        name: Of the case.
        spec: Of the model.
        slots: Length of the file.
        faces: In it.
        audio: Logit of its sound; None for a file without sound.
        kind: Of the file.
        spoilt: Where the sound's logit is 6 instead, for a short forgery.
    """
    scores = [
        _score(start, stop, track, face, audio, slots)
        for track, face in enumerate(faces)
        for start, stop in window_spans(face.first, face.stop, spec.window_frames, spec.hop_frames)
    ]
    if not faces and audio is not None:
        spans = window_spans(0, slots, spec.window_frames, spec.hop_frames)
        inside = [6.0 if start >= spoilt[0] and stop <= spoilt[1] else audio for start, stop in spans]
        scores = [_score(*span, None, None, own, slots) for span, own in zip(spans, inside, strict=True)]
    tracks = [
        TrackSummary(track, one.first, one.stop, one.stop - one.first, one.height,
                     LipScore(track, one.lips, 3.0, slots), one.is_frozen)
        for track, one in enumerate(faces)
    ]  # fmt: skip
    analysis = _analysis(scores, tracks, slots, audio is not None, kind, spec)
    judged = calibrate(analysis, spec)
    decision = decide(judged)
    inputs = {
        "facts": {
            "kind": domain_of(analysis.info), "has_picture": analysis.info.video is not None,
            "pictures": analysis.report.decoded_frames, "has_sound": audio is not None,
            "speech_slots": analysis.speech_slots, "slots": slots, "shortest": analysis.min_slots,
            "shown_slots": analysis.report.decoded_frames,
        },
        "tracks": [{"track": one.track_id, "seen_slots": one.seen_slots, "height": one.height_px,
                    "lips": one.lips.score, "is_frozen": one.is_frozen} for one in tracks],
        "scores": [_listed(one) for one in scores],
    }  # fmt: skip
    outputs = {
        **_evidence(analysis.evidence),
        "probabilities": dict(judged.probabilities),
        "label": decision.label.value,
        "probability_fake": decision.probability_fake,
        "reasons": [reason.code for reason in decision.reasons if reason.code not in LEFT_OUT],
    }
    return Case("verdict", name, inputs, outputs, _TOLERANCE)


def _score(
    start: int, stop: int, track: int | None, face: _Face | None, audio: float | None, slots: int
) -> WindowScore:
    """Return what is said of a window; the logits sway a little from window to window, so that means are means."""
    length, sway = stop - start, 0.2 * np.sin(start / 7.0)
    here = np.arange(start, stop)
    said = {"fused": face.fused if face else audio or 0.0, "video": face.video if face else 0.0,
            "audio": audio or 0.0, "sync": face.sync if face else 0.0}  # fmt: skip
    return WindowScore(
        first_slot=start,
        slots=length,
        track_id=track,
        has_video=face is not None,
        has_audio=audio is not None,
        logits={head: float(said[head] + sway) for head in HEADS},
        frame_logits={stream: np.full(length, said[stream], np.float32) for stream in STREAMS},
        offset_seconds=0.0,
        frames_present=(here % 29 != 11) if face is not None and slots > 1 else np.full(length, face is not None),
        audio_present=(here % 37 > 4) if audio is not None else np.zeros(length, np.bool_),
    )


def _analysis(
    scores: list[WindowScore], tracks: list[TrackSummary], slots: int, has_sound: bool, kind: MediaKind, spec: ModelSpec
) -> Analysis:
    shortest = 1 if kind is MediaKind.IMAGE else spec.min_frames
    pictures = 0 if kind is MediaKind.AUDIO else slots
    heard = {slot for one in scores for slot in (one.first_slot + np.flatnonzero(one.audio_present)).tolist()}
    seconds = slots / 25
    video = VideoStreamInfo("h264", 640, 360, 25.0, 0, 0.0, slots, seconds)
    sound = AudioStreamInfo("aac", 16_000, 1, 0.0, seconds)
    info = MediaInfo(
        "made", kind, "mov", 1000, seconds, 0.0,
        video if pictures else None, sound if has_sound else None,
    )  # fmt: skip
    report = ReadReport(Outcome.OK, 1.0, pictures, seconds, 0, "everything was read", pictures / 25, seconds)
    return Analysis(
        path="made",
        info=info,
        report=report,
        scores=tuple(scores),
        evidence=aggregate(scores, tracks, slots, shortest),
        tracks=tuple(tracks),
        slots=slots,
        speech_slots=len(heard) if has_sound else None,
        min_slots=shortest,
        model=ModelSummary(spec.name, "", ()),
        seconds={},
    )


def _listed(one: WindowScore) -> dict[str, Any]:
    return {
        "first": one.first_slot, "track": one.track_id, "logits": dict(one.logits), "has_video": one.has_video,
        "has_audio": one.has_audio, "frames_present": one.frames_present.astype(int).tolist(),
        "audio_present": one.audio_present.astype(int).tolist(),
    }  # fmt: skip


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "clip_logits": dict(evidence.clip_logits),
        "faces": [
            {"track": one.track_id, "carries_sound": one.carries_sound, "video": one.video, "fused": one.fused}
            for one in evidence.faces
        ],
        "listeners_video": evidence.listeners_video,
        "peaks": [
            {"stream": one.stream, "first": one.first_slot, "stop": one.stop_slot, "track": one.track_id,
             "logit": one.logit, "chances": one.chances, "faces": one.faces}
            for one in evidence.peaks
        ],
        "faces_at_once": evidence.faces_at_once,
    }  # fmt: skip
