# SPDX-License-Identifier: Apache-2.0
"""What it costs to pool, judge and report the scores of a film, for `tools/bench.py film`: no media, no nets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from cad.faces.active_speaker import LipScore
from cad.faces.track_book import TrackSummary
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, Outcome, ReadReport, VideoStreamInfo
from cad.report.html import page_end, page_start, verdict_section
from cad.report.text import verdict_text
from cad.scores import PackedScores
from cad.spec import HEADS, STREAMS, Calibration, ModelSpec, OperatingPoint
from cad.verdict.aggregate import aggregate
from cad.verdict.analysis import Analysis
from cad.verdict.judge import judge
from cad.verdict.records import ModelSummary
from cad.windows import WindowScore

SHOT_SLOTS = 50
#: A model of which everything is calibrated, so that every part of a verdict has something to say.
SPEC = ModelSpec(
    "film",
    SHOT_SLOTS,
    12,
    {head: Calibration() for head in (*HEADS, "video_peak", "audio_peak")},
    {head: OperatingPoint(0.9, 0.5) for head in (*HEADS, "video_peak", "audio_peak")},
)


def cost_of_scores(tracks: int, faces_at_once: int = 1) -> dict[str, object]:
    """Return processor seconds by stage, sizes and this process's peak for a film of so many tracks of one window."""
    slots = tracks // faces_at_once * SHOT_SLOTS
    began_mib = peak_mib()
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        began = time.process_time()
        made[name] = work()
        seconds[name] = round(time.process_time() - began, 2)

    made: dict[str, object] = {}
    scores = PackedScores(film_scores(tracks, faces_at_once))
    seen = film_tracks(tracks, faces_at_once)
    scored_mib = peak_mib()
    timed("aggregate", lambda: aggregate(scores, seen, slots, SPEC.min_frames))
    analysis = film_analysis(scores, seen, slots)
    timed("judge", lambda: judge(analysis, SPEC))
    verdict = judge(analysis, SPEC)
    timed("json", lambda: verdict.to_json(indent=2))
    timed("text", lambda: verdict_text(verdict))
    timed("html", lambda: page_start() + verdict_section(verdict, {}) + page_end())
    return {
        "tracks": tracks,
        "slots": slots,
        "loaded_mib": began_mib,
        "with_scores_mib": scored_mib,
        "parent_mib": peak_mib(),
        "cpu_seconds": seconds,
        **{f"{name}_kib": len(str(made[name])) // 1024 for name in ("json", "text", "html")},
    }


def film_scores(tracks: int, faces_at_once: int) -> Iterator[WindowScore]:
    """Yield one window for every track: ``faces_at_once`` of them in each shot of two seconds, with sound."""
    rng = np.random.default_rng(0)
    there = np.ones(SHOT_SLOTS, np.bool_)
    for track in range(tracks):
        logits = {head: float(rng.normal(-2, 2)) for head in HEADS}
        yield WindowScore(
            first_slot=track // faces_at_once * SHOT_SLOTS,
            slots=SHOT_SLOTS,
            track_id=track,
            has_video=True,
            has_audio=True,
            logits=logits,
            frame_logits={one: rng.normal(logits[one], 1, SHOT_SLOTS).astype(np.float32) for one in STREAMS},
            offset_seconds=float(rng.normal(0, 0.1)),
            frames_present=there,
            audio_present=there,
        )


def film_tracks(tracks: int, faces_at_once: int) -> tuple[TrackSummary, ...]:
    """Return the tracks of ``film_scores``."""
    starts = [track // faces_at_once * SHOT_SLOTS for track in range(tracks)]
    return tuple(
        TrackSummary(track, start, start + SHOT_SLOTS, SHOT_SLOTS, 120.0, LipScore(track, 0.2, 2.0, SHOT_SLOTS))
        for track, start in enumerate(starts)
    )


def film_analysis(scores: PackedScores, tracks: tuple[TrackSummary, ...], slots: int) -> Analysis:
    """Return the analysis of a film with these scores, read whole."""
    seconds = slots / 25
    return Analysis(
        path="film.mp4",
        info=MediaInfo(
            path="film.mp4",
            kind=MediaKind.VIDEO,
            container="mov",
            size_bytes=1000,
            duration_seconds=seconds,
            origin_seconds=0.0,
            video=VideoStreamInfo("h264", 640, 360, 25.0, 0, 0.0, slots, seconds),
            audio=AudioStreamInfo("aac", 44_100, 1, 0.0, seconds),
        ),
        report=ReadReport(Outcome.OK, 1.0, slots, seconds, 0, "everything was read"),
        scores=scores,
        evidence=aggregate(scores, tracks, slots, SPEC.min_frames),
        tracks=tracks,
        slots=slots,
        speech_slots=slots,
        min_slots=SPEC.min_frames,
        model=ModelSummary("film", "0" * 64, ("CPUExecutionProvider",)),
        seconds={"total": 1.0},
    )


def peak_mib() -> int:
    """Return the largest resident size that this process has had, in MiB, as the kernel kept it (Linux)."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) // 1024
