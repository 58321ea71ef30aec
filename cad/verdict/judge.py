# SPDX-License-Identifier: Apache-2.0
"""Gives detector and calibration the Verdict on what was measured: calibrate, decide, gather the evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cad.clock import seconds_of
from cad.faces.active_speaker import LEAST_MOTION
from cad.faces.track_book import TrackSummary
from cad.media.records import MediaKind
from cad.spec import ModelSpec
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import Calibrated, calibrate
from cad.verdict.charges import segments_of
from cad.verdict.decide import decide
from cad.verdict.reasons import MAX_OFFSET_SPREAD_SECONDS, MIN_OFFSET_WINDOWS, missing_streams
from cad.verdict.records import Curve, FaceSummary, MediaSummary, StreamEvidence, Verdict
from cad.verdict.tracks import join_tracks

#: The curves of a longer file have the highest value of every bin, so that a short peak is never lost.
MAX_CURVE_BINS = 1000
#: A face whose sound is apart from its lips speaks all the same if this share of the windows agrees by how much.
STEADY_SHARE = 0.6


def judge(analysis: Analysis, spec: ModelSpec) -> Verdict:
    """Return the verdict on a file under the calibration and the thresholds of ``spec``: that of its worst tracks."""
    return join_tracks(analysis, [verdict_of(calibrate(one, spec)) for one in (analysis, *analysis.others)])


def verdict_of(evidence: Calibrated) -> Verdict:
    """Return the verdict that calibrated evidence on one picture and one sound gives."""
    analysis, decision = evidence.analysis, decide(evidence)
    return Verdict(
        path=analysis.path,
        label=decision.label,
        probability_fake=decision.probability_fake,
        streams={
            stream: StreamEvidence(evidence.probabilities[stream], reason.text if reason else None)
            for stream, reason in missing_streams(evidence).items()
        },
        segments=segments_of(evidence),
        reasons=decision.reasons,
        faces=summarise_faces(evidence),
        media=summarise_media(analysis),
        model=analysis.model,
        seconds=analysis.seconds,
        curves={stream: summarise_curve(curve) for stream, curve in evidence.curves.items() if analysis.slots > 1},
        operating_points=evidence.points,
        nets=analysis.nets,
        versions=analysis.versions,
        domain=evidence.domain,
        numbers=evidence.keys,
    )


def summarise_faces(evidence: Calibrated) -> tuple[FaceSummary, ...]:
    """Return every face that was seen, judged or not."""
    carries = {face.track_id: face.carries_sound for face in evidence.analysis.evidence.faces}
    steady = is_steady(evidence.analysis.evidence.offsets_seconds)
    return tuple(
        FaceSummary(
            track_id=track.track_id,
            start_seconds=seconds_of(track.first_slot),
            stop_seconds=seconds_of(track.stop_slot),
            height_px=track.height_px,
            active_speaker=is_active_speaker(track, carries.get(track.track_id), evidence, steady),
            probability_fake=judged.own if (judged := evidence.faces.get(track.track_id)) else None,
        )
        for track in evidence.analysis.tracks
    )


def is_active_speaker(
    track: TrackSummary, carries_sound: bool | None, evidence: Calibrated, steady: bool
) -> bool | None:
    """Say whether a face's lips are those that speak; None without sound. A mouth that does not move never speaks.

    Who speaks is not who is in sync: sound that is late or early by the same time throughout is still this face's.

    Args:
        track: Whose.
        carries_sound: Whether it fits the sound best; None without sound, or if it was not judged.
        evidence: Its synchrony and the threshold of that.
        steady: Whether sound and lips are apart by the same time throughout.
    """
    point = evidence.points.get("sync")
    if carries_sound is None or point is None or (sync := evidence.faces[track.track_id].sync) is None:
        return None
    follows = sync < point.fake_threshold or steady
    return carries_sound and not track.is_frozen and track.lips.motion >= LEAST_MOTION and follows


def is_steady(offsets_seconds: Sequence[float]) -> bool:
    """Say whether most windows agree by how much the sound lags behind the lips.

    Of 36 clips whose sound was moved by 0.2 to 0.4 s 35 do, of 12 with another speaker's voice none does.

    Example:
        >>> is_steady([0.4, -0.12, 0.4, 0.4, 0.41]), is_steady([0.63, 0.14, -0.3, 0.1, 0.37])
        (True, False)
    """
    offsets = np.array(offsets_seconds)
    near = np.abs(offsets - np.median(offsets)) <= MAX_OFFSET_SPREAD_SECONDS if len(offsets) else offsets
    return len(offsets) >= MIN_OFFSET_WINDOWS and float(near.mean()) >= STEADY_SHARE


def summarise_curve(curve: NDArray[np.float64]) -> Curve:
    """Return a curve as a report draws it: the highest known value of each of at most MAX_CURVE_BINS bins.

    Example:
        >>> summarise_curve(np.array([0.25, np.nan, 0.5]))
        Curve(step_seconds=0.04, probabilities=(0.25, None, 0.5))
    """
    step = max(1, -(-len(curve) // MAX_CURVE_BINS))
    bins = -(-len(curve) // step)
    padded = np.full(bins * step, np.nan)
    padded[: len(curve)] = curve
    highest = np.fmax.reduce(padded.reshape(bins, step), axis=1)
    return Curve(seconds_of(step), tuple(None if np.isnan(value) else float(value) for value in highest))


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
        sha256=analysis.info.sha256,
        video_track=video.number if video else None,
        audio_track=audio.number if audio else None,
        size_bytes=analysis.info.size_bytes,
        joints_seconds=tuple(seconds_of(slot) for slot in analysis.info.joint_slots),
        start_seconds=analysis.info.origin_seconds,
        sandbox=analysis.info.sandbox,
    )
