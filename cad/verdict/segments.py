# SPDX-License-Identifier: Apache-2.0
"""Gives reports a file's suspicious stretches, from the probability of every slot and from the peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cad.clock import seconds_of
from cad.runs import flip_short_runs, runs_of
from cad.spec import OperatingPoint
from cad.verdict.calibrate import PeakProbability
from cad.verdict.records import Segment

#: A stretch goes on while the probability stays above this share of the threshold that started it.
RELEASE_SHARE = 0.8
#: Stretches with less than this between them are one.
MERGE_GAP_SLOTS = 5
#: Candidates start here, reported or not: rankings such as AP need the doubtful ones too.
CANDIDATE_PROBABILITY = 0.35
#: Shorter stretches are not reported.
MIN_SEGMENT_SLOTS = 5
#: Of a peak over its threshold, slots of which less is told already do not stand for it.
MIN_TOLD_SHARE = 0.5


def find_segments(
    curves: Mapping[str, NDArray[np.float64]],
    points: Mapping[str, OperatingPoint],
    peaks: Iterable[PeakProbability] = (),
) -> tuple[Segment, ...]:
    """Return the suspicious stretches of every stream, in order of time.

    Args:
        curves: Probability of fake by stream, float64 (slots,), NaN where nothing was scored.
        points: Where a stream becomes suspicious; one that has none is left out.
        peaks: One that is over its threshold is a segment, too, unless the curve tells of it already.
    """
    found = [
        segment
        for stream, curve in curves.items()
        if (point := points.get(stream)) is not None
        for segment in stream_segments(stream, curve, point.fake_threshold)
    ]
    for one in peaks:
        if one.point is not None and one.probability >= one.point.fake_threshold:
            found = with_peak(found, one)
    return tuple(sorted(found, key=lambda segment: (segment.start_seconds, segment.stream)))


def with_peak(found: list[Segment], one: PeakProbability) -> list[Segment]:
    """Return the segments with a peak's stretch among them, for the shorter ones inside it, unless they cover it."""
    peak = one.peak
    start, stop = seconds_of(peak.first_slot), seconds_of(peak.stop_slot)
    own = [segment for segment in found if segment.stream == peak.stream]
    told = sum(max(0.0, min(stop, each.stop_seconds) - max(start, each.start_seconds)) for each in own)
    if told >= MIN_TOLD_SHARE * (stop - start):
        return found
    inside = [each for each in own if start <= each.start_seconds and each.stop_seconds <= stop]
    kept = [segment for segment in found if segment not in inside]
    return [*kept, Segment(start, stop, peak.stream, one.probability)]


def candidate_segments(curves: Mapping[str, NDArray[np.float64]]) -> tuple[Segment, ...]:
    """Return all stretches above CANDIDATE_PROBABILITY, for measures that rank them by their probability."""
    return tuple(
        segment
        for stream, curve in curves.items()
        for segment in stream_segments(stream, curve, CANDIDATE_PROBABILITY, 1.0)
    )


def stream_segments(
    stream: str, probabilities: NDArray[np.float64], threshold: float, release_share: float = RELEASE_SHARE
) -> list[Segment]:
    """Return the stretches of one stream that start at ``threshold`` and last while above ``release_share`` of it."""
    suspicious = hysteresis(probabilities, threshold, release_share * threshold)
    merged = flip_short_runs(suspicious, value=False, max_slots=MERGE_GAP_SLOTS, at_edges=False)
    return [
        Segment(seconds_of(start), seconds_of(stop), stream, float(np.nanmean(probabilities[start:stop])))
        for start, stop in runs_of(merged)
        if stop - start >= MIN_SEGMENT_SLOTS
    ]


def hysteresis(values: NDArray[np.float64], start_at: float, stay_above: float) -> NDArray[np.bool_]:
    """Return the runs above ``stay_above`` that reach ``start_at`` somewhere, bool (slots,); NaN is below both.

    Example:
        >>> hysteresis(np.array([0.6, 0.9, 0.6, 0.1, 0.6]), 0.8, 0.5).tolist()
        [True, True, True, False, False]
    """
    chosen = np.zeros(len(values), dtype=np.bool_)
    for start, stop in runs_of(np.nan_to_num(values, nan=-np.inf) >= stay_above):
        chosen[start:stop] = bool(np.nanmax(values[start:stop]) >= start_at)
    return chosen
