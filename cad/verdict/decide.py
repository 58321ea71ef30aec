# SPDX-License-Identifier: Apache-2.0
"""The rules that turn calibrated evidence into a file's label and the reasons for it.

1. Nothing could be judged, or too little of the file could be read: inconclusive.
2. Picture and sound together are judged by the fused head, picture alone by the video head, sound alone by the audio
   head. A face and speech that are never there at once are judged by the worse of the two.
3. A face that does not speak is judged by its picture, and can make the file fake.
4. Synchrony alone never makes a file fake: dubbing breaks it as well. If neither picture nor sound by itself raises
   suspicion, the file is inconclusive.
5. A video whose faces could not be judged is never called real on its sound alone.
6. Evidence for which no threshold was ever chosen decides nothing: a model fresh from training abstains.
"""

from __future__ import annotations

from dataclasses import dataclass

from cad.spec import OperatingPoint
from cad.verdict import reasons
from cad.verdict.calibrate import Calibrated
from cad.verdict.records import Label, Reason
from cad.verdict.validity import MIN_COVERAGE, validity_notes


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of a file.

    Attributes:
        label: The answer.
        probability_fake: Of the evidence that decided, in [0, 1]; None if nothing was judged.
        reasons: Why, the weightiest first.
    """

    label: Label
    probability_fake: float | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Charge:
    """One piece of evidence that may make the file fake by itself."""

    head: str
    probability: float
    point: OperatingPoint | None
    is_calibrated: bool


def decide(evidence: Calibrated) -> Decision:
    """Return the label of a file."""
    missing = [reason for reason in evidence.missing.values() if reason is not None]
    notes = unique([*missing, *validity_notes(evidence.analysis, is_suspicious(evidence, "sync"))])
    charges = find_charges(evidence)
    if evidence.analysis.is_too_short or not charges:
        return Decision(Label.INCONCLUSIVE, None, notes)
    highest = max(charge.probability for charge in charges)
    coverage = evidence.analysis.report.coverage
    if coverage < MIN_COVERAGE:
        limit = reasons.low_coverage(coverage, MIN_COVERAGE)
        return Decision(Label.INCONCLUSIVE, highest, (limit, *notes))
    label, why = weigh(charges, evidence)
    raw = [] if all(one.is_calibrated for one in charges) else [reasons.UNCALIBRATED]
    return Decision(label, highest, unique([*why, *raw, *notes]))


def find_charges(evidence: Calibrated) -> list[_Charge]:
    """Return the pieces of evidence that decide: rules 2 and 3."""
    heads = ["fused"] if evidence.probabilities["fused"] is not None else ["video", "audio"]
    found = [(head, head, evidence.probabilities[head]) for head in heads]
    found.append(("listener", "video", evidence.listeners))
    return [
        _Charge(name, value, evidence.points.get(head), head not in evidence.uncalibrated)
        for name, head, value in found
        if value is not None
    ]


def weigh(charges: list[_Charge], evidence: Calibrated) -> tuple[Label, list[Reason]]:
    """Return the label that the evidence gives, and why: rules 4 and 5."""
    proven = [(one, one.point) for one in charges if one.point and one.probability >= one.point.fake_threshold]
    sync, limits = evidence.probabilities["sync"], evidence.points.get("sync")
    out_of_sync = sync is not None and limits is not None and sync >= limits.fake_threshold
    if proven:
        look_real = not (is_suspicious(evidence, "video") or is_suspicious(evidence, "audio"))
        if out_of_sync and look_real and all(one.head == "fused" for one, _ in proven):
            return Label.INCONCLUSIVE, [reasons.SYNC_ONLY]
        why = [reasons.evidence_above(one.head, one.probability, point.fake_threshold) for one, point in proven]
        return Label.FAKE, why + ([reasons.OUT_OF_SYNC] if out_of_sync else [])
    for one in charges:
        if one.point is None:
            return Label.INCONCLUSIVE, [reasons.UNCALIBRATED]
        real_below, fake_from = one.point.real_threshold, one.point.fake_threshold
        if one.probability >= real_below:
            return Label.INCONCLUSIVE, [reasons.between_thresholds(one.probability, real_below, fake_from)]
    if evidence.analysis.info.video is not None and evidence.probabilities["video"] is None:
        return Label.INCONCLUSIVE, [reasons.PICTURE_NOT_JUDGED]
    return Label.REAL, [reasons.OUT_OF_SYNC] if out_of_sync else []


def is_suspicious(evidence: Calibrated, head: str) -> bool:
    """Say whether a head by itself raises suspicion: it is not below its threshold for *real*."""
    point = evidence.points.get(head)
    return point is not None and (evidence.probabilities[head] or 0.0) >= point.real_threshold


def unique(found: list[Reason]) -> tuple[Reason, ...]:
    """Return the reasons in order, each code once."""
    first: dict[str, Reason] = {}
    for reason in found:
        first.setdefault(reason.code, reason)
    return tuple(first.values())
