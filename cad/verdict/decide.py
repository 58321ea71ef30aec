# SPDX-License-Identifier: Apache-2.0
"""The rules that turn calibrated evidence into a file's label.

Every reason in the table of cad.verdict.reasons that holds for a file does something to its label:

1. Nothing was judged, or a reason forbids any verdict (too little could be read): inconclusive.
2. A reason makes it fake: fake.
3. A reason holds back *real*: inconclusive.
4. Nothing does: real. So a file that is real was judged, and nothing in it is at or over a threshold of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from cad.verdict.calibrate import Calibrated
from cad.verdict.charges import find_charges
from cad.verdict.reasons import Effect, find_reasons
from cad.verdict.records import Label, Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of a file.

    Attributes:
        label: The answer.
        probability_fake: Of the evidence that decided, the highest, in [0, 1]; None if nothing was judged. So a file
            that a stream beside the fused head makes fake has a probability at or over that stream's threshold.
        reasons: Why, and what limits it, in the order in which it is told.
    """

    label: Label
    probability_fake: float | None
    reasons: tuple[Reason, ...]


def decide(evidence: Calibrated) -> Decision:
    """Return the label of a file, and every reason that holds for it."""
    found, charges = find_reasons(evidence), find_charges(evidence)
    deciding = [one for one in charges if one.is_proven or not one.only_accuses]
    return Decision(
        label=label_of({one.effect for one in found}, is_judged=bool(charges)),
        probability_fake=max((charge.probability for charge in deciding), default=None),
        reasons=tuple(one.reason for one in found),
    )


def label_of(effects: set[Effect], is_judged: bool) -> Label:
    """Return the label that reasons of these effects give.

    Args:
        effects: Of all reasons that hold.
        is_judged: Whether there is anything that may make a file fake or real.
    """
    if not is_judged or Effect.NO_VERDICT in effects:
        return Label.INCONCLUSIVE
    if Effect.FAKE in effects:
        return Label.FAKE
    return Label.INCONCLUSIVE if Effect.NOT_REAL in effects else Label.REAL
