# SPDX-License-Identifier: Apache-2.0
"""Logits of clips by nets in several precisions, and how they differ, for `tools/bench.py precisions`."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.precision_costs import REFERENCE
from benchmarks.window_cache import CachedClip
from scipy.stats import spearmanr

from cad.evaluation.row_views import View, domains_of
from cad.metrics.roc import auc_of
from cad.runtime.feeding import feed, has_audio, has_video
from cad.spec import HEADS, ModelSpec, spec_for
from cad.verdict.calibrate import probability
from cad.windows import Window


def score_clips(
    sessions: Mapping[str, Any], files: Mapping[str, Path], clips: Sequence[CachedClip], store: Path
) -> dict[str, np.ndarray]:
    """Return mean logits (clips, HEADS) by precision, NaN where a head has nothing to judge.

    Those that ``store`` has are not computed again, so that a stopped run goes on.
    """
    keys = {name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for name, file in files.items()}
    known: dict[str, list[float]] = {}
    if store.exists():
        known = dict(json.loads(line) for line in store.read_text(encoding="utf-8").splitlines())
    found: dict[str, list[list[float]]] = {name: [] for name in sessions}
    with store.open("a", encoding="utf-8") as stream:
        for number, clip in enumerate(clips):
            for name, session in sessions.items():
                key = f"{keys[name]} {len(clip.windows)} {clip.row['path']}"
                if key not in known:
                    known[key] = mean_logits(session, clip.windows)
                    stream.write(json.dumps([key, known[key]]) + "\n")
                found[name].append(known[key])
            if number % 20 == 0:
                stream.flush()
                print(f"scored {number + 1} of {len(clips)}", file=sys.stderr, flush=True)
    return {name: np.array(values) for name, values in found.items()}


def mean_logits(session: Any, windows: Sequence[Window]) -> list[float]:
    """Return the mean over windows of each head's logit, NaN where no window has what the head judges."""
    outputs = [f"{head}_logit" for head in HEADS]
    parts = [list(same) for _, same in groupby(windows, key=lambda one: len(one.frames_present))]
    logits = np.concatenate([np.array(session.run(outputs, feed(part))).T for part in parts]).astype(np.float64)
    video, audio = (np.array([there(one) for part in parts for one in part]) for there in (has_video, has_audio))
    judged = np.stack([video | audio, video, audio, video & audio], axis=1)
    sums, counts = np.where(judged, logits, 0).sum(0), np.where(judged.any(0), judged.sum(0), np.nan)
    return [float(value) for value in sums / counts]


def head_figures(
    view: View, rows: pd.DataFrame, logits: Mapping[str, np.ndarray], name: str, spec: ModelSpec
) -> dict[str, float]:
    """Return what a precision does to one head, on the clips that it judges."""
    column = HEADS.index(view.head)
    there = view.mask & np.isfinite(logits[REFERENCE][:, column])
    own, reference = logits[name][there, column], logits[REFERENCE][there, column]
    labels = view.labels[there]
    gap = np.abs(own - reference)
    changed = sum(
        decision(one, view.head, spec, domain) != decision(other, view.head, spec, domain)
        for one, other, domain in zip(own, reference, domains_of(rows)[there], strict=True)
    )
    auc, auc_before = (auc_of(values[labels == 1], values[labels == 0]) for values in (own, reference))
    return {
        "clips": len(own),
        "auc": round(auc, 4),
        "auc_less_float32": round(auc - auc_before, 4),
        "rank_correlation": round(float(spearmanr(own, reference)[0]), 4),
        "logit_moves_mean": round(float(gap.mean()), 4),
        "logit_moves_most": round(float(gap.max()), 4),
        "spread_of_logits": round(float(reference.std()), 3),
        "decisions_changed": round(changed / len(own), 4),
    }


def decision(logit: float, head: str, spec: ModelSpec, domain: str) -> str:
    """Return on which side of the shipped thresholds of its head a clip is."""
    numbers = spec_for(spec, domain)
    point = numbers.operating_points.get(head)
    if point is None:
        return "none"
    value = probability(logit, head, numbers)
    return "fake" if value >= point.fake_threshold else "real" if value < point.real_threshold else "neither"
