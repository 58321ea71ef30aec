# SPDX-License-Identifier: Apache-2.0
"""Fits the numbers under which the highest of many stretches, or of many faces, is judged for how many there were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cad.clock import FRAME_RATE_HZ
from cad.errors import DataError
from cad.evaluation.calibration.long_files import ClipLine, SplicedLine, joined_lines, spliced_lines
from cad.evaluation.calibration.platt import fit_platt, threshold_above
from cad.metrics.score_counts import Floats
from cad.spec import Calibration, ModelSpec, OperatingPoint
from cad.verdict.aggregate import Peak, find_peaks
from cad.verdict.calibrate import platt
from cad.verdict.timeline import Line, Mask, Timeline

#: Lengths of the genuine files that peaks are fitted on; the rate holds for each of them.
DURATIONS_SECONDS = (10, 30, 60, 600)
#: So many files of each length.
FILES = 300
#: Lengths of the genuine talk that forged clips are put into.
TALK_SECONDS = (10, 60)
GROWTHS = np.arange(0.0, 1.001, 0.05)
#: Where the mean alone spends the rate of genuine files, peaks may still add this share of it.
LEAST_SHARE = 0.4
#: For a peak so many times the rate of genuine files may be called fake or left undecided.
DOUBT_TIMES = 3.0
#: Clips of either class without which nothing is fitted.
LEAST_CLIPS = 20
#: Above this share of genuine logits the tail is taken to start, about where thresholds lie.
TAIL = 0.05
DIGITS = 6
SEED = 20_261

Files = Mapping[int, Sequence[Sequence[Peak]]]


def fit_peaks(
    stream: str, genuine: Sequence[ClipLine], forged: Sequence[ClipLine], spec: ModelSpec, max_fpr: float, on: str
) -> tuple[Calibration, OperatingPoint, dict[str, object]]:
    """Return calibration and operating point of a stream's peaks, and figures on the files they were chosen on.

    The growth is that under which most forged clips are found in genuine talk: called fake, or at least not real.

    Args:
        stream: ``video`` or ``audio``.
        genuine: Clips that genuine files of DURATIONS_SECONDS are joined from.
        forged: Clips that are put into genuine files, one each.
        spec: Whose head of the stream calls files fake by their mean.
        max_fpr: Highest share of the genuine files of any length that mean or peak may call fake.
        on: One line on the data, kept in the spec.

    Raises:
        DataError: There are fewer than LEAST_CLIPS of a class.
    """
    if min(len(genuine), len(forged)) < LEAST_CLIPS:
        raise DataError(
            f"peaks need {LEAST_CLIPS} clips of each class; there are {len(forged)} forged and {len(genuine)} genuine"
        )
    rng = np.random.default_rng(SEED)
    lines = {seconds: joined_lines(genuine, seconds * FRAME_RATE_HZ, FILES, rng) for seconds in DURATIONS_SECONDS}
    splices = {seconds: spliced_lines(genuine, forged, seconds * FRAME_RATE_HZ, rng) for seconds in TALK_SECONDS}
    by_mean = {seconds: called_by_mean(stream, own, spec) for seconds, own in lines.items()}
    real: Files = {seconds: [_peaks_of(stream, line) for line in own] for seconds, own in lines.items()}
    fake: Files = {seconds: [_peaks_of(stream, one.line) for one in own] for seconds, own in splices.items()}

    def found(growth: float, rate: float) -> dict[int, Mask]:
        """Return which forged clips are found where they are, when so many genuine files are."""
        limit, own = threshold(strengths(real, growth), by_mean, rate), strengths(fake, growth)
        return {
            seconds: (own[seconds] >= limit)
            & np.array([hits(peaks, one, growth) for peaks, one in zip(fake[seconds], splices[seconds], strict=True)])
            for seconds in fake
        }

    rates = (max_fpr, DOUBT_TIMES * max_fpr)
    growth = float(max(GROWTHS, key=lambda one: sum(own.sum() for rate in rates for own in found(one, rate).values())))
    highest, spliced = strengths(real, growth), strengths(fake, growth)
    values = [*highest.values(), *spliced.values()]
    labels = np.repeat([0] * len(highest) + [1] * len(spliced), [len(own) for own in values]).astype(np.int8)
    calibration = replace(fit_platt(np.concatenate(values), labels), growth=growth)
    fake_threshold, real_threshold = (
        float(platt(np.array(threshold(highest, by_mean, rate)), calibration)) for rate in rates
    )
    genuine_by = {seconds: platt(own, calibration) for seconds, own in highest.items()}
    called = {seconds: (own >= fake_threshold) | by_mean[seconds] for seconds, own in genuine_by.items()}
    figures: dict[str, object] = {
        "growth": growth,
        "genuine_called_fake_by_mean": _shares(by_mean),
        "genuine_called_fake_by_mean_or_peak": _shares(called),
        "genuine_not_called_real_for_a_peak": _shares(
            {seconds: own >= real_threshold for seconds, own in genuine_by.items()}
        ),
        "forged_clip_in_genuine_talk_called_fake_by_mean": _shares(
            {seconds: called_by_mean(stream, [one.line for one in own], spec) for seconds, own in splices.items()}
        ),
        "forged_clip_in_genuine_talk_called_fake_where_it_is": _shares(found(growth, max_fpr)),
        "file_with_a_forged_clip_not_called_real_for_a_peak": _shares(
            {seconds: platt(own, calibration) >= real_threshold for seconds, own in spliced.items()}
        ),
    }
    rate = max(float((own >= fake_threshold).mean()) for own in genuine_by.values())
    return calibration, OperatingPoint(fake_threshold, min(real_threshold, fake_threshold), round(rate, 4), on), figures


def _peaks_of(stream: str, line: Timeline) -> list[Peak]:
    return find_peaks(stream, {0: Line(0, line)}, len(line))


def hits(peaks: Sequence[Peak], spliced: SplicedLine, growth: float) -> bool:
    """Say whether the strongest peak of a file touches its forged stretch."""
    strongest = max(peaks, key=lambda peak: _strength(peak, growth))
    return strongest.first_slot < spliced.stop_slot and strongest.stop_slot > spliced.first_slot


def _strength(peak: Peak, growth: float) -> float:
    return peak.logit - growth * math.log(peak.chances)


def strengths(files: Files, growth: float) -> dict[int, Floats]:
    """Return by length of file each file's strongest peak: its logit less what chance adds, float64 (files,)."""
    return {
        # Files that share a clip share a peak, up to the rounding of sums: no threshold may fall between them.
        seconds: np.round([max(_strength(peak, growth) for peak in own) for own in peaks], DIGITS)
        for seconds, peaks in files.items()
    }


def threshold(highest: Mapping[int, Floats], by_mean: Mapping[int, Mask], rate: float) -> float:
    """Return the lowest logit at which at most ``rate`` of the files of every length are over it or called by mean.

    Args:
        highest: By length of file the strongest peaks of genuine files.
        by_mean: Likewise, bool: which of them are called fake by their mean.
        rate: In [0, 1].
    """
    limits = []
    for seconds, own in highest.items():
        left = np.sort(own[~by_mean[seconds]])
        if len(left):
            may_add = max(rate - float(by_mean[seconds].mean()), LEAST_SHARE * rate) * len(own) / len(left)
            # Above the highest of all by more than the scaling rounds.
            limits.append(threshold_above(left, may_add) + 10.0**-DIGITS)
    return max(limits)


def called_by_mean(stream: str, lines: Sequence[Timeline], spec: ModelSpec) -> Mask:
    """Return which files the head of a stream calls fake by their mean, bool (files,)."""
    means = np.array([line.mean() for line in lines])
    point = spec.operating_points.get(stream)
    probabilities = platt(means, spec.calibration.get(stream, Calibration()))
    return np.zeros(len(lines), np.bool_) if point is None else probabilities >= point.fake_threshold


def _shares(found: Mapping[int, Mask]) -> dict[str, float]:
    return {f"{seconds} s": round(float(own.mean()), 4) for seconds, own in found.items()}


def face_growth(logits: Floats) -> float:
    """Return by how much the highest of several genuine faces rises with the logarithm of their number.

    Above their 90th percentile logits fall off about exponentially, and the highest of n draws from such a tail rises
    by its mean excess times ln n.

    Args:
        logits: (rows,) of genuine clips with one face each.

    Source: Gumbel, *Statistics of Extremes*, 1958.
    """
    if len(logits) < LEAST_CLIPS:
        return 0.0
    from_here = np.quantile(logits, 1.0 - TAIL)
    return float((logits[logits > from_here] - from_here).mean())
