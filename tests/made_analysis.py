# SPDX-License-Identifier: Apache-2.0
"""Analyses made of chosen logits, as if a model had said them; random ones with everything that may befall a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tiny_model import tiny_spec

from cad.faces.active_speaker import LipScore
from cad.faces.track_book import TrackSummary
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, Outcome, ReadReport, VideoStreamInfo
from cad.spec import ALONE, HEADS, ModelSpec, OperatingPoint
from cad.verdict.aggregate import Peak, aggregate
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import Calibrated, PeakProbability, calibrate
from cad.verdict.records import ModelSummary
from cad.windows import WindowScore, window_spans

VIDEO = VideoStreamInfo("h264", 640, 360, 25.0, 0, 0.0, 100, 4.0)
AUDIO = AudioStreamInfo("aac", 44_100, 1, 0.0, 4.0)
REPORT = ReadReport(Outcome.OK, 1.0, 100, 4.0, 0, "everything was read")


def score(
    first: int = 0,
    slots: int = 50,
    track: int | None = 0,
    video: float = -2.0,
    audio: float = -2.0,
    sync: float = -2.0,
    fused: float = -2.0,
    has_video: bool = True,
    has_audio: bool = True,
    offset: float = 0.0,
    frames_present: np.ndarray | None = None,
    audio_present: np.ndarray | None = None,
) -> WindowScore:
    there = np.ones(slots, bool)
    return WindowScore(
        first_slot=first,
        slots=slots,
        track_id=track,
        has_video=has_video and track is not None,
        has_audio=has_audio,
        logits={"video": video, "audio": audio, "sync": sync, "fused": fused},
        frame_logits={
            "video": np.full(slots, video, np.float32),
            "audio": np.full(slots, audio, np.float32),
            "sync": np.full(slots, sync, np.float32),
        },
        offset_seconds=offset,
        frames_present=there if frames_present is None else frames_present,
        audio_present=there if audio_present is None else audio_present,
    )


def face(first: int, stop: int, **logits: float) -> list[WindowScore]:
    """The windows of one face from slot ``first`` to ``stop``."""
    return [score(start, end - start, **logits) for start, end in window_spans(first, stop, 50, 25)]


def track(
    track_id: int = 0,
    first: int = 0,
    stop: int = 100,
    height_px: float = 120.0,
    lips: float = 0.0,
    motion: float = 3.0,
    is_frozen: bool = False,
) -> TrackSummary:
    return TrackSummary(
        track_id, first, stop, stop - first, height_px, LipScore(track_id, lips, motion, stop - first), is_frozen
    )


def analysis(
    scores: list[WindowScore],
    tracks: list[TrackSummary] | None = None,
    slots: int = 100,
    kind: MediaKind = MediaKind.VIDEO,
    speech_slots: int | None = 100,
    coverage: float = 1.0,
    spec: ModelSpec | None = None,
    outcome: Outcome = Outcome.OK,
    frames: int | None = None,
    joints: tuple[int, ...] = (),
    has_audio: bool | None = None,
) -> Analysis:
    spec = spec or tiny_spec()
    tracks = [track(stop=slots)] if tracks is None else tracks
    if kind is MediaKind.AUDIO:
        tracks = []
    shortest = 1 if kind is MediaKind.IMAGE else spec.min_frames
    return Analysis(
        path="clip.mp4",
        info=MediaInfo(
            path="clip.mp4",
            kind=kind,
            container="mov",
            size_bytes=1000,
            duration_seconds=slots / 25,
            origin_seconds=0.0,
            video=None if kind is MediaKind.AUDIO else replace(VIDEO, declared_seconds=slots / 25),
            audio=AUDIO if (speech_slots is not None if has_audio is None else has_audio) else None,
            joint_slots=joints,
        ),
        report=replace(REPORT, coverage=coverage, outcome=outcome, decoded_frames=slots if frames is None else frames),
        scores=tuple(scores),
        evidence=aggregate(scores, tracks, slots, shortest),
        tracks=tuple(tracks),
        slots=slots,
        speech_slots=speech_slots,
        min_slots=shortest,
        model=ModelSummary("tiny", "0" * 64, ("CPUExecutionProvider",)),
        seconds={"total": 1.0},
    )


def with_peak(
    evidence: Calibrated, stream: str, probability: float, point: OperatingPoint | None, first: int = 20, stop: int = 60
) -> Calibrated:
    """The same evidence with this as the stretch of a stream that stands out most."""
    peak = Peak(stream, first, stop, 0 if stream == "video" else None, 0.0)
    others = (one for one in evidence.peaks if one.peak.stream != stream)
    return replace(evidence, peaks=(*others, PeakProbability(peak, probability, point)))


def random_evidence(pick: Callable[[Sequence[Any]], Any]) -> Calibrated:
    """Evidence of a file to which anything may have happened; ``pick`` chooses one of what it is given."""
    kind = pick([MediaKind.VIDEO] * 4 + [MediaKind.IMAGE, MediaKind.AUDIO])
    slots = 1 if kind is MediaKind.IMAGE else pick([6, 60, 100, 140])
    points = [OperatingPoint(0.6, 0.4), OperatingPoint(0.704225, 0.268183), OperatingPoint(0.9169, 0.5375), None]
    heads = pick([HEADS] * 6 + [("video",), ("audio",), ("video", "audio"), ("fused", "sync")])
    chosen = {head: point for head in heads if (point := pick(points)) is not None}
    for name in pick([(), (), ALONE[:1], ALONE[1:], ALONE]):
        if name.removesuffix("_alone") in heads:
            limit = pick([0.6, 0.704225, 0.9169])
            chosen[name] = OperatingPoint(limit, limit)
    spec = tiny_spec(heads=heads, operating_points=chosen)
    spec = pick([spec] * 4 + [replace(spec, calibration={})])
    shortest = 1 if kind is MediaKind.IMAGE else spec.min_frames
    has_audio = kind is not MediaKind.IMAGE and pick([True, True, True, False])
    speech = pick([slots, slots, 6, 0, None]) if has_audio else None
    frames = 0 if kind is MediaKind.AUDIO else pick([slots] * 6 + [0, 5])
    heard = speech is not None and speech >= shortest

    def logits() -> dict[str, float]:
        levels = [-6.0, -2.0, -0.9, -0.4, 0.0, 0.4054, 0.865, 2.0, 2.5, 6.0]
        return {head: pick(levels) if head in heads else float("nan") for head in HEADS}

    tracks, scores = [], []
    for track_id in range(pick([0, 1, 1, 2, 3]) if frames else 0):
        first = pick([0, slots // 3])
        stop = min(slots, max(first + 1, pick([slots, slots, first + 6])))
        tracks.append(
            track(
                track_id, first, stop, pick([120.0, 120.0, 39.6, 40.0]), pick([0.0, 0.2, 0.6]), pick([0.1, 3.0]),
                pick([False, False, True]),
            )
        )  # fmt: skip
        if stop - first >= shortest:
            meets = heard and pick([True, True, False])
            scores += face(first, stop, track=track_id, has_audio=meets, offset=pick([0.0, 0.3, -0.3]), **logits())
    if heard and not any(one.has_audio for one in scores):
        scores += face(0, slots, track=None, **logits())
    broken = [one for one in Outcome if one not in (Outcome.OK, Outcome.NO_VIDEO, Outcome.NO_AUDIO)]
    made = analysis(
        scores, tracks, slots, kind, speech, pick([1.0] * 8 + [0.9796, 0.71, 0.4999, 0.2]), spec,
        pick([Outcome.OK] * 9 + broken),
        frames, pick([()] * 3 + [(slots // 2,)]), has_audio,
    )  # fmt: skip
    besides = pick([()] * 3 + [("2 more pictures",), ("1 more picture", "a video")])
    made = replace(made, info=replace(made.info, besides=besides), faces_left_out=pick([0, 0, 0, 1, 7]))
    evidence = calibrate(made, spec)
    judged = [stream for stream in ("video", "audio") if made.clip_logits[stream] is not None]
    for stream in pick([(), (), judged[:1], judged[1:], judged]):
        first = slots // 4
        evidence = with_peak(evidence, stream, pick([0.1, 0.5, 0.7, 0.97]), pick(points), first, first + slots // 2)
    return evidence
