# SPDX-License-Identifier: Apache-2.0
"""From what was measured to the Verdict record."""

from __future__ import annotations

from cad.clock import seconds_of
from cad.faces.talking import LEAST_MOTION
from cad.media.records import MediaKind
from cad.spec import HEADS, STREAMS
from cad.verdict.aggregate import FaceEvidence
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import operating_point_of, probability
from cad.verdict.decide import decide
from cad.verdict.records import FaceSummary, MediaSummary, StreamEvidence, Verdict
from cad.verdict.segments import find_segments
from cad.verdict.timeline import stream_timelines
from cad.verdict.tracks import TrackSummary
from cad.verdict.validity import missing_streams


def judge(analysis: Analysis) -> Verdict:
    """Return the verdict on a file: calibrate, decide, and gather the evidence."""
    probabilities = {head: probability(analysis.clip_logits[head], head, analysis.spec) for head in HEADS}
    decision = decide(analysis, probabilities)
    missing = missing_streams(analysis)
    return Verdict(
        path=analysis.path,
        label=decision.label,
        probability_fake=decision.probability_fake,
        streams={
            stream: StreamEvidence(probabilities[stream], reason.text if (reason := missing[stream]) else None)
            for stream in STREAMS
        },
        segments=find_segments(stream_timelines(analysis.scores, analysis.slots), analysis.spec),
        reasons=decision.reasons,
        faces=summarise_faces(analysis),
        media=summarise_media(analysis),
        model=analysis.model,
        seconds=analysis.seconds,
    )


def summarise_faces(analysis: Analysis) -> tuple[FaceSummary, ...]:
    """Return every face that was seen, judged or not."""
    judged = {face.track_id: face for face in analysis.evidence.faces}
    return tuple(summarise_face(track, judged.get(track.track_id), analysis) for track in analysis.tracks)


def summarise_face(track: TrackSummary, face: FaceEvidence | None, analysis: Analysis) -> FaceSummary:
    """Return one face with its own probability: fused if it carries the sound, else that of its picture."""
    own = None
    if face is not None:
        head, logit = ("video", face.video) if face.fused is None else ("fused", face.fused)
        own = probability(logit, head, analysis.spec)
    return FaceSummary(
        track_id=track.track_id,
        start_seconds=seconds_of(track.first_slot),
        stop_seconds=seconds_of(track.stop_slot),
        height_px=track.height_px,
        talking=None if face is None else is_talking(face, track, analysis),
        probability_fake=own,
    )


def is_talking(face: FaceEvidence, track: TrackSummary, analysis: Analysis) -> bool | None:
    """Say whether a face's lips are those that speak; None without sound. A mouth that does not move never speaks."""
    sync = probability(face.sync, "sync", analysis.spec)
    if face.carries_sound is None or sync is None:
        return None
    if track.lips.motion < LEAST_MOTION:
        return False
    return face.carries_sound and sync < operating_point_of("sync", analysis.spec).fake_threshold


def summarise_media(analysis: Analysis) -> MediaSummary:
    """Return what was read."""
    video, audio = analysis.info.video, analysis.info.audio
    return MediaSummary(
        kind=analysis.info.kind.value,
        duration_seconds=analysis.info.duration_seconds,
        width=video.width_px if video else None,
        height=video.height_px if video else None,
        # Decoders give a still picture some rate or other.
        fps=video.fps if video and analysis.info.kind is not MediaKind.IMAGE else None,
        audio_hz=audio.sample_rate_hz if audio else None,
        coverage=analysis.report.coverage,
        outcome=analysis.report.outcome.value,
    )
