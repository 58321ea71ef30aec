# SPDX-License-Identifier: Apache-2.0
"""Measures temporal localisation for reports: average precision at an overlap, average recall with some proposals.

Source: the definitions of ActivityNet as used by LAV-DF and AV-Deepfake1M (arXiv 2204.06228, 2311.15308).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import parse_segments
from cad.evaluation.records import FileScore
from cad.metrics.bootstrap import Estimate, estimate_rows
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd

LOCALISATION_RESAMPLES = 200
AP_OVERLAPS = (0.5, 0.75, 0.9, 0.95)
AR_PROPOSALS = (50, 30, 20, 10, 5)
AR_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a detector proposes for one file, and what is true.

    Attributes:
        proposals: float64 (proposals, 3) probability, start and stop in seconds.
        truth: float64 (segments, 2) start and stop of the forged stretches; empty for a genuine file.
    """

    proposals: NDArray[np.float64]
    truth: NDArray[np.float64]

    @classmethod
    def of(cls, proposals: Sequence[Sequence[float]], truth: Sequence[Sequence[float]]) -> Proposals:
        """Return the arrays of two lists; proposals are ordered by probability, the highest first."""
        table = np.asarray(proposals, dtype=np.float64).reshape(-1, 3)
        order = np.argsort(-table[:, 0], kind="stable")
        return cls(table[order], np.asarray(truth, dtype=np.float64).reshape(-1, 2))


def overlaps(truth: NDArray[np.float64], proposed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intersection over union of every true segment with every proposed one.

    Args:
        truth: (segments, 2) start, stop.
        proposed: (proposals, 2) start, stop.

    Returns:
        (segments, proposals) in [0, 1].

    Example:
        >>> overlaps(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [[0.5, 0.0]]
    """
    start = np.maximum(truth[:, None, 0], proposed[None, :, 0])
    stop = np.minimum(truth[:, None, 1], proposed[None, :, 1])
    inner = np.clip(stop - start, 0.0, None)
    outer = np.diff(truth)[:, None, 0] + np.diff(proposed)[None, :, 0] - inner
    share: NDArray[np.float64] = np.divide(inner, outer, out=np.zeros_like(inner), where=outer > 0)
    return share


def average_precision(files: Sequence[Proposals], overlap: float, drop_first_step: bool = False) -> float:
    """Return the area under the precision envelope over all files' proposals.

    A true segment is found by its most probable proposal that overlaps it by more than ``overlap`` and has not found
    another one.

    Args:
        files: Proposals and truth of each file.
        overlap: Intersection over union that must be exceeded.
        drop_first_step: Leave out the step from recall 0 to the first proposal's, as the ``avdeepfake1m`` package
            does; the figure is then lower by at most one segment's share.
    """
    segments = sum(len(file.truth) for file in files)
    hits = [_hits(file, overlap) for file in files]
    if not segments or not any(len(hit) for hit in hits):
        return float("nan") if not segments else 0.0
    probability = np.concatenate([file.proposals[:, 0] for file in files])
    found = np.concatenate(hits)[np.argsort(-probability, kind="stable")]
    right = np.cumsum(found)
    precision = right / np.arange(1, len(found) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(right / segments, prepend=right[0] / segments if drop_first_step else 0.0)
    return float((steps * envelope).sum())


def average_recall(files: Sequence[Proposals], proposals: int, at_overlaps: Sequence[float] = AR_OVERLAPS) -> float:
    """Return the share of true segments that the first ``proposals`` of each file find, averaged over overlaps."""
    segments = sum(len(file.truth) for file in files)
    if not segments:
        return float("nan")
    # The best overlap of each true segment among the first proposals of its file.
    best = np.concatenate(
        [overlaps(file.truth, file.proposals[:proposals, 1:]).max(axis=1, initial=0.0) for file in files]
    )
    return float(np.mean([(best > overlap).sum() / segments for overlap in at_overlaps]))


def localisation_figures(files: Sequence[Proposals]) -> Mapping[str, float]:
    """Return the figures of protocol 5: AP at four overlaps and AR at five numbers of proposals."""
    precision = {f"AP@{overlap}": average_precision(files, overlap) for overlap in AP_OVERLAPS}
    recall = {f"AR@{number}": average_recall(files, number) for number in AR_PROPOSALS}
    return {**precision, **recall}


def localise(
    rows: pd.DataFrame, scores: Sequence[FileScore], resamples: int, seed: int, stream: str | None = None
) -> dict[str, Estimate]:
    """Return AP and AR of the segments that a detector gives, with intervals over identities.

    Args:
        rows: Of a manifest, with their forged stretches.
        scores: One a row.
        resamples: Bootstrap resamples, LOCALISATION_RESAMPLES at most.
        seed: Of the draws.
        stream: Whose segments alone are measured; None measures all.
    """
    files = [
        Proposals.of(
            [(p, start, stop) for start, stop, p, of in score.segments if stream in (None, of)], parse_segments(text)
        )
        for text, score in zip(rows["fake_segments"], scores, strict=True)
    ]
    codes, number = identity_codes(rows["identity"].to_numpy()), min(resamples, LOCALISATION_RESAMPLES)
    return estimate_rows(lambda some: localisation_figures([files[i] for i in some]), codes, number, seed)


def localise_by_stream(
    rows: pd.DataFrame, scores: Sequence[FileScore], resamples: int, seed: int
) -> dict[str, dict[str, Estimate]]:
    """Return ``localise`` of the segments that each stream gives alone."""
    streams = sorted({segment[3] for score in scores for segment in score.segments})
    return {stream: localise(rows, scores, resamples, seed, stream) for stream in streams}


def _hits(file: Proposals, overlap: float) -> NDArray[np.bool_]:
    """Return which proposals find a true segment, in order of probability."""
    found = np.zeros(len(file.proposals), dtype=bool)
    enough = overlaps(file.truth, file.proposals[:, 1:]) > overlap
    for row in enough:
        free = np.flatnonzero(row & ~found)
        if len(free):
            found[free[0]] = True
    return found
