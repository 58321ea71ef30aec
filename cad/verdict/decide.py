# SPDX-License-Identifier: Apache-2.0
"""From calibrated evidence to the label; every rule that turns a number into a word is here.

1. Nothing could be judged, or too little of the file could be read: inconclusive.
2. Picture and sound together are judged by the fused head, picture alone by the video head, sound alone by the audio
   head. A face and speech that are never there at once are judged by the worse of the two.
3. A face that does not speak is judged by its picture, and can make the file fake.
4. Synchrony alone never makes a file fake: dubbing breaks it as well. If neither picture nor sound by itself raises
   suspicion, the file is inconclusive.
5. A video whose faces could not be judged is never called real on its sound alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cad.verdict import reasons
from cad.verdict.analysis import Analysis
from cad.verdict.calibrate import operating_point_of, probability
from cad.verdict.records import Label, Reason
from cad.verdict.validity import MIN_COVERAGE, is_too_short, missing_streams, validity_notes


@dataclass(frozen=True, slots=True)
class Decision:
    """A label, the probability behind it (None if nothing was judged), and why."""

    label: Label
    probability_fake: float | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Charge:
    """One piece of evidence that may make the file fake by itself."""

    head: str
    probability: float
    fake_threshold: float
    real_threshold: float


def decide(analysis: Analysis, probabilities: Mapping[str, float | None]) -> Decision:
    """Return the label of a file.

    Args:
        analysis: What was measured.
        probabilities: Calibrated probability by head, None where there was nothing to judge.
    """
    missing = [reason for reason in missing_streams(analysis).values() if reason is not None]
    notes = unique([*missing, *validity_notes(analysis, probabilities["sync"])])
    charges = find_charges(analysis, probabilities)
    if is_too_short(analysis) or not charges:
        return Decision(Label.INCONCLUSIVE, None, notes)
    highest = max(charge.probability for charge in charges)
    if analysis.report.coverage < MIN_COVERAGE:
        limit = reasons.low_coverage(analysis.report.coverage, MIN_COVERAGE)
        return Decision(Label.INCONCLUSIVE, highest, (limit, *notes))
    label, why = weigh(charges, analysis, probabilities)
    return Decision(label, highest, unique([*why, *notes]))


def find_charges(analysis: Analysis, probabilities: Mapping[str, float | None]) -> list[_Charge]:
    """Return the pieces of evidence that decide: rules 2 and 3."""
    heads = ["fused"] if probabilities["fused"] is not None else ["video", "audio"]
    by_head: dict[str, float | None] = {head: probabilities[head] for head in heads}
    by_head["listener"] = probability(analysis.evidence.listeners_video, "video", analysis.spec)
    return [charge(head, value, analysis) for head, value in by_head.items() if value is not None]


def charge(head: str, value: float, analysis: Analysis) -> _Charge:
    """Return a piece of evidence with the thresholds that hold for it."""
    point = operating_point_of("video" if head == "listener" else head, analysis.spec)
    return _Charge(head, value, point.fake_threshold, point.real_threshold)


def weigh(
    charges: list[_Charge], analysis: Analysis, probabilities: Mapping[str, float | None]
) -> tuple[Label, list[Reason]]:
    """Return the label that the evidence gives, and why: rules 4 and 5."""
    proven = [one for one in charges if one.probability >= one.fake_threshold]
    out_of_sync = is_out_of_sync(analysis, probabilities)
    if proven:
        if out_of_sync and all(one.head == "fused" for one in proven) and streams_look_real(analysis, probabilities):
            return Label.INCONCLUSIVE, [reasons.sync_only()]
        why = [reasons.evidence_above(one.head, one.probability, one.fake_threshold) for one in proven]
        return Label.FAKE, why + ([reasons.out_of_sync()] if out_of_sync else [])
    open_charges = [one for one in charges if one.probability >= one.real_threshold]
    if open_charges:
        one = open_charges[0]
        return Label.INCONCLUSIVE, [reasons.between_thresholds(one.probability, one.real_threshold, one.fake_threshold)]
    if analysis.info.video is not None and probabilities["video"] is None:
        return Label.INCONCLUSIVE, [reasons.sound_only_of_video()]
    return Label.REAL, [reasons.out_of_sync()] if out_of_sync else []


def is_out_of_sync(analysis: Analysis, probabilities: Mapping[str, float | None]) -> bool:
    """Say whether lips and sound by themselves are past their threshold."""
    sync = probabilities["sync"]
    return sync is not None and sync >= operating_point_of("sync", analysis.spec).fake_threshold


def streams_look_real(analysis: Analysis, probabilities: Mapping[str, float | None]) -> bool:
    """Say whether neither picture nor sound by itself raises suspicion."""
    return all(
        (probabilities[head] or 0.0) < operating_point_of(head, analysis.spec).real_threshold
        for head in ("video", "audio")
    )


def unique(found: list[Reason]) -> tuple[Reason, ...]:
    """Return the reasons in order, each code once."""
    return tuple(
        {reason.code: reason for reason in reversed(found)}[code] for code in dict.fromkeys(r.code for r in found)
    )
