# SPDX-License-Identifier: Apache-2.0
"""Measures temporal localisation for reports: average precision at an overlap, average recall with some proposals.

The benchmarks share one definition, written down in code only: LAV-DF's ``metrics.py`` (arXiv 2204.06228,
github.com/ControlNet/LAV-DF) and the ``avdeepfake1m`` package (arXiv 2311.15308, github.com/ControlNet/AV-Deepfake1M,
src/loc_1d.rs). Both compute in single precision, which decides whether an overlap of 3 in 4 frames exceeds 0.75; both
take a file's proposals in the order given, and both leave out the step of the precision curve from recall 0 to that
of the first proposal. Neither can read a file without any proposal; here its stretches are missed. What differs is the
unit of time and the challenge's score (``Definition``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import parse_segments
from cad.evaluation.records import FileScore
from cad.metrics.bootstrap import Estimate, interval, weightings
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd

LOCALISATION_RESAMPLES = 200
AP_OVERLAPS = (0.5, 0.75, 0.9, 0.95)
AR_PROPOSALS = (100, 50, 30, 20, 10, 5)
AR_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
#: Over which the challenge's score takes the mean.
SCORE_PROPOSALS = (50, 30, 20, 10, 5)

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Definition:
    """How a benchmark computes AP and AR.

    Attributes:
        name: In protocols.
        source: Where it is defined.
        units_per_second: Of the times in a file of proposals, such as 25 for frames.
        has_first_step: Whether the step of the precision curve from recall 0 to that of the first proposal counts.
        has_score: Whether the benchmark also gives one score, half the mean of AP and half the mean of AR.
    """

    name: str
    source: str
    units_per_second: float = 1.0
    has_first_step: bool = False
    has_score: bool = False


DEFINITIONS: Mapping[str, Definition] = {
    one.name: one
    for one in (
        Definition("cad", "precision envelope over all of recall", has_first_step=True),
        Definition("lavdf", "LAV-DF, metrics.py (arXiv 2204.06228)", units_per_second=25.0),
        Definition(
            "avdeepfake1m",
            "avdeepfake1m, ap_ar_1d (arXiv 2311.15308), and score of the 1M-Deepfakes Detection Challenge",
            has_score=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a detector proposes for one file, and what is true.

    Attributes:
        proposals: float32 (proposals, 3) score, start and stop in seconds, the one to be believed first on top.
        truth: float32 (segments, 2) start and stop of the forged stretches; empty for a genuine file.
    """

    proposals: Floats32
    truth: Floats32

    @classmethod
    def of(cls, proposals: Sequence[Sequence[float]], truth: Sequence[Sequence[float]]) -> Proposals:
        """Return the arrays of two lists; proposals are ordered by score, the highest first."""
        given = cls.as_given(proposals, truth)
        order = np.argsort(-given.proposals[:, 0], kind="stable")
        return cls(given.proposals[order], given.truth)

    @classmethod
    def as_given(
        cls, proposals: Sequence[Sequence[float]], truth: Sequence[Sequence[float]], units_per_second: float = 1.0
    ) -> Proposals:
        """Return the arrays of two lists in their own order, as the benchmarks' code takes them."""
        table = np.asarray(proposals, dtype=np.float32).reshape(-1, 3)
        table[:, 1:] /= np.float32(units_per_second)
        return cls(table, np.asarray(truth, dtype=np.float32).reshape(-1, 2))


def overlaps(truth: Floats32, proposed: Floats32) -> Floats32:
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
    (start, stop), (low, high) = truth.T[..., None], proposed.T[:, None]
    inner = np.clip(np.minimum(stop, high) - np.maximum(start, low), 0.0, None)
    outer = np.maximum(stop, high) - np.minimum(start, low)
    share: Floats32 = np.divide(inner, outer, out=np.zeros_like(inner), where=outer > 0)
    return share


class Localisation:
    """Some files' proposals held against the truth once, to be measured under any weighting of the files.

    Args:
        files: Proposals and truth of each file.
        definition: Of the benchmark.
    """

    def __init__(self, files: Sequence[Proposals], definition: Definition = DEFINITIONS["cad"]) -> None:
        self._definition = definition
        shares = [overlaps(file.truth, file.proposals[:, 1:]) for file in files]
        score = np.concatenate([file.proposals[:, 0] for file in files]) if files else np.empty(0, np.float32)
        order = np.argsort(-score, kind="stable")
        self._file = np.repeat(np.arange(len(files)), [len(file.proposals) for file in files])[order]
        self._found = {
            overlap: np.concatenate([first_hits(share > np.float32(overlap)) for share in shares])[order]
            if len(score)
            else np.empty(0, dtype=bool)
            for overlap in AP_OVERLAPS
        }
        self._segments = np.array([len(file.truth) for file in files], dtype=np.float64)
        self._recalled = {number: _recalled(shares, number) for number in AR_PROPOSALS}

    def figures(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """Return AP at four overlaps, AR at six numbers of proposals, and the score where the benchmark has one.

        Args:
            weights: (files,) how often each file counts; once by default. NaN where there is no true segment.
        """
        each = np.ones(len(self._segments)) if weights is None else weights
        precision = {f"AP@{overlap}": self._precision(found, each) for overlap, found in self._found.items()}
        recall = {f"AR@{number}": self._recall(found, each) for number, found in self._recalled.items()}
        both = precision | recall
        if self._definition.has_score:
            mean_recall = float(np.mean([recall[f"AR@{number}"] for number in SCORE_PROPOSALS]))
            both["score"] = 0.5 * float(np.mean(list(precision.values()))) + 0.5 * mean_recall
        return both

    def _precision(self, found: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
        """Return the area under the precision envelope over all files' proposals.

        A true segment is found by the first proposal of its file that overlaps it by more than the threshold and has
        not found another one.
        """
        segments = float((weights * self._segments).sum())
        if segments == 0:
            return float("nan")
        if not len(found):
            return 0.0
        each = weights[self._file]
        right, all_so_far = np.cumsum(each * found), np.cumsum(each)
        precision = np.divide(right, all_so_far, out=np.zeros_like(right), where=all_so_far > 0)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        steps = np.diff(right, prepend=0.0 if self._definition.has_first_step else right[0]) / segments
        return float((steps * envelope).sum())

    def _recall(self, found: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
        """Return the share of true segments that are found, averaged over ``AR_OVERLAPS``."""
        segments = float((weights * self._segments).sum())
        return float((weights @ found).mean() / segments) if segments else float("nan")


def first_hits(enough: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which proposals find a true segment: each segment takes the first that fits and is not taken.

    Args:
        enough: (segments, proposals) whether a proposal overlaps a segment by enough.

    Returns:
        (proposals,).

    Example:
        >>> first_hits(np.array([[True, True], [True, False]])).tolist()
        [True, False]
    """
    found = np.zeros(enough.shape[1], dtype=bool)
    for row in enough:
        free = np.flatnonzero(row & ~found)
        found[free[:1]] = True
    return found


def localise(
    rows: pd.DataFrame, files: Sequence[Proposals], definition: Definition, resamples: int, seed: int
) -> dict[str, Estimate]:
    """Return AP and AR of proposals, with intervals over identities.

    Args:
        rows: Of a manifest.
        files: Proposals and truth of each row.
        definition: Of the benchmark.
        resamples: Bootstrap resamples, LOCALISATION_RESAMPLES at most.
        seed: Of the draws.
    """
    measured = Localisation(files, definition)
    codes = np.unique(identity_codes(rows["identity"].to_numpy()), return_inverse=True)[1]
    rng, number = np.random.default_rng(seed), min(resamples, LOCALISATION_RESAMPLES)
    people = int(codes.max()) + 1 if len(codes) else 0
    draws = weightings(people, number, rng, len(rows)) if number and people > 1 else iter(())
    drawn = [measured.figures(column) for batch in draws for column in batch[codes].T]
    return {
        name: Estimate(value, *interval(np.array([one[name] for one in drawn])))
        for name, value in measured.figures().items()
    }


def localise_by_stream(
    rows: pd.DataFrame, scores: Sequence[FileScore], definition: Definition, resamples: int, seed: int
) -> Iterator[tuple[str, dict[str, Estimate]]]:
    """Yield ``localise`` of all segments that a detector gives (under an empty name), then of those of each stream."""
    truths = [parse_segments(text) for text in rows["fake_segments"]]
    for stream in ["", *sorted({segment[3] for score in scores for segment in score.segments})]:
        files = [
            Proposals.of([(p, start, stop) for start, stop, p, of in score.segments if stream in ("", of)], truth)
            for truth, score in zip(truths, scores, strict=True)
        ]
        yield stream, localise(rows, files, definition, resamples, seed)


def _recalled(shares: Sequence[Floats32], proposals: int) -> NDArray[np.float64]:
    """Return how many true segments the first ``proposals`` of each file find at each of ``AR_OVERLAPS``.

    Returns:
        (files, overlaps).
    """
    thresholds = np.array(AR_OVERLAPS, dtype=np.float32)
    best = [share[:, :proposals].max(axis=1, initial=0.0) for share in shares]
    return np.array([(one[:, None] > thresholds).sum(axis=0) for one in best], dtype=np.float64).reshape(-1, 10)
