# SPDX-License-Identifier: Apache-2.0
"""Turns raw logits into the probabilities and thresholds that a verdict rests on, by the model's own ModelSpec."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cad.spec import ALONE, HEADS, PEAKS, Calibration, ModelSpec, OperatingPoint, numbers_key, spec_for
from cad.values import ValueRecord
from cad.verdict.aggregate import Peak
from cad.verdict.analysis import Analysis
from cad.verdict.domain import domain_of
from cad.verdict.records import NumberKeys
from cad.verdict.timeline import smooth, stream_timelines


@dataclass(frozen=True, slots=True)
class FaceProbability:
    """What one judged face says.

    Attributes:
        own: Probability of fake in [0, 1], in a file of as many faces as this one: fused if it carries the sound,
            else that of its picture; None if neither.
        sync: Probability that its lips do not go with the sound; None without sound.
    """

    own: float | None
    sync: float | None


@dataclass(frozen=True, slots=True)
class PeakProbability:
    """What the most suspicious stretch of a stream says.

    Attributes:
        peak: The stretch.
        probability: Of fake, in [0, 1], for as long a file with as many faces as this one.
        point: Where the label changes; None for a model whose peaks were never calibrated: they decide nothing.
    """

    peak: Peak
    probability: float
    point: OperatingPoint | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Calibrated(ValueRecord):
    """An analysis under one ModelSpec: everything that the decision and the reports rest on.

    Attributes:
        analysis: What was measured.
        probabilities: Of fake by head, in [0, 1]; None where there was nothing to judge.
        listeners: Probability of fake of the picture of the faces that do not carry the sound, or None.
        faces: Every judged face by track.
        curves: Probability of fake in every slot by stream, smoothed, float64 (slots,); NaN where nothing was scored.
        points: Where the label changes, by head or one of ``cad.spec.ALONE``; one for which none was chosen has none.
        uncalibrated: Heads whose probabilities are raw scores, since nothing was ever fitted for them.
        heads: Those that the model has.
        peaks: The most suspicious stretch of every stream that has one.
        domain: Which kind of file it is: one of ``cad.spec.DOMAINS``.
        keys: Under which keys of the spec the numbers stand that were used, by head or peak.
    """

    analysis: Analysis
    probabilities: Mapping[str, float | None]
    listeners: float | None
    faces: Mapping[int, FaceProbability]
    curves: Mapping[str, NDArray[np.float64]]
    points: Mapping[str, OperatingPoint]
    uncalibrated: frozenset[str]
    heads: tuple[str, ...]
    peaks: tuple[PeakProbability, ...] = ()
    domain: str = ""
    keys: Mapping[str, NumberKeys] = field(default_factory=dict)


def calibrate(analysis: Analysis, spec: ModelSpec) -> Calibrated:
    """Return what was measured as probabilities, beside the thresholds that hold for them.

    Numbers for the kind of file that it is win over the plain ones (``cad.spec.numbers_key``).
    """
    domain = domain_of(analysis.info)
    keys, spec = keys_of(spec, domain), spec_for(spec, domain)
    evidence = analysis.evidence
    # The worst of several faces is chosen by the picture alone: sound has one voice, and of the others one speaks.
    chosen_of = {"video": evidence.faces_at_once}
    carriers = sum(face.fused is not None for face in evidence.faces)
    used = {head for head in HEADS if evidence.clip_logits[head] is not None}
    used |= {f"{peak.stream}_peak" for peak in evidence.peaks}
    if "fused" in used:
        used |= {name for name in ALONE if name.removesuffix("_alone") in used}
    return Calibrated(
        analysis=analysis,
        probabilities={
            head: probability(evidence.clip_logits[head], head, spec, chosen_of.get(head, 1.0)) for head in HEADS
        },
        listeners=probability(evidence.listeners_video, "video", spec, evidence.faces_at_once),
        faces={
            face.track_id: FaceProbability(
                own=probability(face.video, "video", spec, len(evidence.faces))
                if face.fused is None
                else probability(face.fused, "fused", spec, carriers),
                sync=probability(face.sync, "sync", spec),
            )
            for face in evidence.faces
        },
        curves={
            stream: frame_probabilities(smooth(line), stream, spec)
            for stream, line in stream_timelines(analysis.scores, analysis.slots).items()
        },
        points={head: point for head, point in spec.operating_points.items() if head in (*HEADS, *ALONE)},
        uncalibrated=frozenset(HEADS) - frozenset(spec.calibration),
        heads=tuple(spec.heads),
        peaks=strongest_peaks(evidence.peaks, spec),
        domain=domain,
        keys={name: own for name, own in keys.items() if name in used},
    )


def keys_of(spec: ModelSpec, domain: str) -> dict[str, NumberKeys]:
    """Return under which keys the numbers of every head and peak stand for a file of a domain; none without any."""
    found = {
        name: NumberKeys(numbers_key(spec.calibration, name, domain), numbers_key(spec.operating_points, name, domain))
        for name in (*HEADS, *PEAKS)
    }
    for name in ALONE:  # a threshold on the probability of the stream's head
        if (point := numbers_key(spec.operating_points, name, domain)) is not None:
            found[name] = NumberKeys(numbers_key(spec.calibration, name.removesuffix("_alone"), domain), point)
    return {name: keys for name, keys in found.items() if keys != NumberKeys(None, None)}


def strongest_peaks(peaks: Iterable[Peak], spec: ModelSpec) -> tuple[PeakProbability, ...]:
    """Return the strongest peak of every stream, over all lengths, each at what chance leaves of it."""
    by_stream: dict[str, list[Peak]] = {}
    for peak in peaks:
        by_stream.setdefault(peak.stream, []).append(peak)
    return tuple(
        PeakProbability(strongest, peak_probability(strongest, spec), spec.operating_points.get(f"{stream}_peak"))
        for stream, own in by_stream.items()
        for strongest in [max(own, key=lambda peak: peak_probability(peak, spec))]
    )


def peak_probability(peak: Peak, spec: ModelSpec) -> float:
    """Return the calibrated probability of fake in [0, 1] of a peak."""
    # What several faces add is known from the head, what the many places in the time of one add from the peaks.
    logit = peak.logit - expected_rise(peak.stream, peak.faces, spec)
    return probability(logit, f"{peak.stream}_peak", spec, peak.chances)


def expected_rise(name: str, chances: float, spec: ModelSpec) -> float:
    """Return by how much the highest of so many genuine logits is higher than one by chance."""
    return spec.calibration.get(name, Calibration()).growth * math.log(chances)


@overload
def probability(logit: float, head: str, spec: ModelSpec, chances: float = ...) -> float: ...
@overload
def probability(logit: float | None, head: str, spec: ModelSpec, chances: float = ...) -> float | None: ...
def probability(logit: float | None, head: str, spec: ModelSpec, chances: float = 1.0) -> float | None:
    """Return the calibrated probability of fake in [0, 1] of a head's clip logit; None stays None.

    Args:
        logit: Raw.
        head: Or another key of the spec's calibration.
        spec: Whose numbers hold.
        chances: Among how many the logit is the highest.

    Example:
        >>> from cad.spec import ModelSpec
        >>> spec = ModelSpec("toy", 50, 10, {"video": Calibration(2.0, 0.0)}, {})
        >>> round(probability(0.5, "video", spec), 3)
        0.731
    """
    if logit is None:
        return None
    calibration = spec.calibration.get(head, Calibration())
    return float(platt(np.array(logit - expected_rise(head, chances, spec)), calibration))


def frame_probabilities(logits: NDArray[np.float64], stream: str, spec: ModelSpec) -> NDArray[np.float64]:
    """Return the calibrated probability of every slot of a stream; NaN stays NaN.

    A spec may calibrate frame logits by themselves, under ``<stream>_frame``; else the head's own numbers hold.
    """
    own = spec.calibration.get(f"{stream}_frame") or spec.calibration.get(stream, Calibration())
    return platt(logits, own)


def platt(logits: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Return ``sigmoid(scale * logit + bias)`` without overflow; what chance adds was taken off before.

    Source: Platt, 1999.
    """
    scaled = calibration.scale * logits + calibration.bias
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scaled)))


def operating_point_of(head: str, spec: ModelSpec) -> OperatingPoint:
    """Return where the label changes for a head."""
    return spec.operating_points.get(head, OperatingPoint())
