# SPDX-License-Identifier: Apache-2.0
"""Analyses made of chosen logits, as if a model had said them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tiny_model import tiny_spec

from cad.faces.active_speaker import LipScore
from cad.faces.track_book import TrackSummary
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, Outcome, ReadReport, VideoStreamInfo
from cad.spec import ModelSpec
from cad.verdict.aggregate import aggregate
from cad.verdict.analysis import Analysis
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
) -> TrackSummary:
    return TrackSummary(
        track_id, first, stop, stop - first, height_px, LipScore(track_id, lips, motion, stop - first)
    )


def analysis(
    scores: list[WindowScore],
    tracks: list[TrackSummary] | None = None,
    slots: int = 100,
    kind: MediaKind = MediaKind.VIDEO,
    speech_slots: int | None = 100,
    coverage: float = 1.0,
    spec: ModelSpec | None = None,
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
            video=None if kind is MediaKind.AUDIO else VIDEO,
            audio=None if speech_slots is None else AUDIO,
        ),
        report=replace(REPORT, coverage=coverage),
        scores=tuple(scores),
        evidence=aggregate(scores, tracks, slots, shortest),
        tracks=tuple(tracks),
        slots=slots,
        speech_slots=speech_slots,
        min_slots=shortest,
        model=ModelSummary("tiny", "0" * 64, ("CPUExecutionProvider",)),
        seconds={"total": 1.0},
    )
