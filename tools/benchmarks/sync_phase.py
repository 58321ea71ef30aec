# SPDX-License-Identifier: Apache-2.0
"""By how much synchrony moves when a clip is cut a moment later (`tools/bench.py sync_phase`), and why.

Genuine clips with picture and sound are cut at several instants, without encoding them anew. ``cut`` keeps all time
stamps. ``restarted`` is the clip beside itself cut 32 ms later by a tool that numbers the frames of what it writes: the
first frame is shown at once, and the picture comes early by part of a frame. Each clip gives the spread (highest less
lowest) of its sync logit, of its probability, and of what that would be where a logit counts most (``at_most``): the
probability of a clip that is surely in step hardly moves, whatever its logit does.

The sources, one at a time, as mean change of the logit of the face seen longest, over its windows of the product:

- ``windows``: the same crops and sound, windows that begin a slot or two later;
- ``face path``: the same windows and sound, the face followed from the first or second frame on;
- ``sound``: the same crops and windows, the sound 8 or 16 ms early or late;
- ``pictures``: a grid that begins 8 or 16 ms later, for clips whose rate is not 25: other frames are the nearest.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from benchmarks.recordings import Recording, read_recording
from benchmarks.sync_sources import SourceChanges

from cad.clock import FRAME_RATE_HZ
from cad.data.manifest import read_manifest
from cad.detector import Detector
from cad.evaluation.row_views import has_picture, sample_rows
from cad.spec import Calibration, ModelSpec
from cad.verdict.calibrate import probability

CUTS_SECONDS = (0.0, 0.008, 0.016, 0.024, 0.032, 0.04, 0.08)
RESTARTED_SECONDS = 0.032
#: The mean over clips of the spread of the probability, where a logit counts most, may be this large.
MAX_MEAN_SPREAD = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--split", default=None, help="only these rows of the manifest")
    parser.add_argument("--clips", type=int, default=24, help="genuine clips, spread over identities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-height", type=int, default=720, help="larger pictures are left out, for memory")
    parser.add_argument("--model", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-sources", action="store_true", help="the spread alone")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the spread of each clip, mean and maximum of all, and what each source has in it."""
    rows = read_manifest(args.manifest).select(args.split)
    genuine = rows.rows[(rows.rows["label"] == 0) & has_picture(rows.rows)]
    chosen = sample_rows(genuine, 0, args.seed).sample(frac=1.0, random_state=args.seed)
    clips: list[dict[str, object]] = []
    with Detector(model=args.model, threads=args.threads) as detector:
        sources = None if args.no_sources else SourceChanges(args.model, args.threads)
        for path in chosen["path"]:
            if len(clips) == args.clips:
                break
            if not is_wanted(file := rows.file(path), args.max_height):
                continue
            recording = read_recording(file)
            logits = cut_logits(detector, recording)
            spreads = {"cut": spread_of(logits, detector.spec)} if len(logits) > 1 else {}
            restarted = logit_of(detector, recording, RESTARTED_SECONDS, restarts=True)
            if spreads and restarted is not None:
                spreads["restarted"] = spread_of([logits[0], restarted], detector.spec)
            if spreads:
                changes = {} if sources is None else sources.of(recording)
                clips.append({"path": path, "fps": round(recording.fps, 2), **spreads, "sources": changes})
    spread = {name: summary([clip[name] for clip in clips if name in clip]) for name in ("cut", "restarted")}
    return {
        "clips": clips,
        **spread,
        "sources": source_summary([clip["sources"] for clip in clips]),
        "bar": MAX_MEAN_SPREAD,
        "ok": all(one.get("within_bar", False) for one in spread.values()),
    }


def is_wanted(file: Path, max_height: int) -> bool:
    """Say whether a clip has picture and sound, and is small enough."""
    with av.open(str(file)) as container:
        videos, audios = container.streams.video, container.streams.audio
        return bool(videos and audios) and videos[0].height <= max_height


def cut_logits(detector: Detector, recording: Recording) -> list[float]:
    """Return the sync logit of the whole clip, then of every cut that does not give the same on the grid as another."""
    logits: dict[tuple[float, float], float | None] = {}
    for cut_seconds in CUTS_SECONDS:
        first = recording.first_frame(cut_seconds)
        if first >= len(recording.frames):
            break
        # The grid begins with the first frame, or whole slots before it where the sound goes on for so long.
        before = float(recording.frame_seconds[first]) - recording.begin_seconds - cut_seconds
        key = (first, before // (1 / FRAME_RATE_HZ))
        if key not in logits:
            logits[key] = logit_of(detector, recording, cut_seconds)
    return [logit for logit in logits.values() if logit is not None]


def logit_of(detector: Detector, recording: Recording, cut_seconds: float, *, restarts: bool = False) -> float | None:
    """Return the sync logit of a cut as the product gives it; None where it gives none."""
    with recording.cut(cut_seconds, restarts=restarts) as source:
        return detector.analyse(source).clip_logits["sync"]


def spread_of(logits: Sequence[float], spec: ModelSpec) -> dict[str, float]:
    """Return the lowest logit, and the spread of logit and probability."""
    probabilities = [probability(logit, "sync", spec) for logit in logits]
    spread = max(logits) - min(logits)
    scale = spec.calibration.get("sync", Calibration()).scale
    return {
        "cuts": len(logits),
        "lowest_logit": round(min(logits), 4),
        "logit": round(spread, 4),
        "probability": round(max(probabilities) - min(probabilities), 4),
        "at_most": round(math.tanh(scale * spread / 4), 4),
    }


def summary(spreads: Sequence[Mapping[str, float]]) -> dict[str, object]:
    """Return mean and maximum of the spreads, and whether the mean is within the bar."""
    if not spreads:
        return {"clips": 0}
    figures: dict[str, object] = {"clips": len(spreads)}
    for name in ("logit", "probability", "at_most"):
        values = [one[name] for one in spreads]
        figures[name] = {"mean": round(statistics.fmean(values), 4), "max": max(values)}
    return figures | {"within_bar": statistics.fmean(one["at_most"] for one in spreads) <= MAX_MEAN_SPREAD}


def source_summary(clips: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean and maximum over clips by source."""
    found: dict[str, list[float]] = defaultdict(list)
    for clip in clips:
        for name, value in clip.items():
            if not np.isnan(value):
                found[name].append(value)
    return {
        name: {"clips": len(values), "mean": round(statistics.fmean(values), 4), "max": max(values)}
        for name, values in found.items()
    }
