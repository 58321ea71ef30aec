# SPDX-License-Identifier: Apache-2.0
"""Fits the heads' numbers for one kind of file, or from scores alone, until the answers on its files keep the rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad.errors import DataError, ExportError
from cad.evaluation.calibration.head_rows import SEED, HeadRows, Mask, share_of
from cad.evaluation.calibration.platt import (
    choose_operating_point,
    fit_platt,
    threshold_above,
    weighted_threshold_above,
)
from cad.evaluation.tables import estimate_json
from cad.metrics.bootstrap import estimate_rows
from cad.metrics.score_counts import Floats, identity_codes
from cad.spec import Calibration, ModelSpec, OperatingPoint, domain_key
from cad.verdict.calibrate import platt

#: Each round of tightening leaves this share of the rate that a head may spend.
TIGHTENING = 0.8
ROUNDS = 12
#: Heads that get numbers by kind of file: only talking heads have lips and sound that may be apart.
DOMAIN_HEADS = ("fused", "video", "audio")

#: Of the intervals of scale and bias, for each of which everything is fitted once more.
SCALING_RESAMPLES = 100

#: Numbers that go along with a head's: from its calibrations and operating points by head, by plain key.
Beside = Callable[[Mapping[str, Calibration], Mapping[str, OperatingPoint]], Mapping[str, Calibration]]
#: Adds what rests on the heads' numbers (peaks), and figures on it.
Finish = Callable[[ModelSpec], tuple[ModelSpec, Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is fitted together.

    Attributes:
        domain: Kind of file, one of ``cad.spec.DOMAINS``; empty for the plain numbers, which hold for all.
        rows: By head what it is fitted on.
        least_rows: Of how many rows of each class a stratum must be for its scaling to be fitted on it.
        growths: By head its growth over faces, which goes into its calibration.
        weigh_sources: Whether a source counts as the square root of its number of rows.
        rate_of: Returns the share of genuine files that are called fake under a spec.
        beside: Returns the calibration of frames.
        finish: Adds what rests on the heads' numbers.
    """

    domain: str
    rows: Mapping[str, HeadRows]
    least_rows: int
    growths: Mapping[str, float]
    weigh_sources: bool
    rate_of: Callable[[ModelSpec], float]
    beside: Beside
    finish: Finish


@dataclass(frozen=True, slots=True)
class Rates:
    """What thresholds are chosen for.

    Attributes:
        max_fpr: Highest share of genuine files that may be called fake, in [0, 1].
        max_miss: Share of fakes that may be called real, in [0, 1].
    """

    max_fpr: float
    max_miss: float


def fit_scope(spec: ModelSpec, scope: Scope, rates: Rates, chosen_on: str) -> tuple[ModelSpec, dict[str, object]]:
    """Return ``spec`` with numbers for the heads of a scope, and what they do on the rows that they were fitted on.

    Raises:
        ExportError: After ROUNDS rounds of tightening too many genuine files are still called fake.
    """

    def keyed(name: str) -> str:
        return domain_key(name, scope.domain) if scope.domain else name

    fitted = {}
    for head, every in scope.rows.items():
        own = every.only(paired(every, scope.least_rows))
        scaling = fit_platt(own.logits, own.labels, own.weights if scope.weigh_sources else None)
        fitted[head] = replace(scaling, growth=scope.growths.get(head, 0.0))
    allowed, rate, further = rates.max_fpr, 1.0, dict[str, object]()
    for _ in range(ROUNDS if scope.rows else 1):
        points = {
            head: choose_point(own, fitted[head], replace(rates, max_fpr=allowed), chosen_on, scope.weigh_sources)
            for head, own in scope.rows.items()
        }
        numbers = {**fitted, **scope.beside(fitted, points)}
        result = replace(
            spec,
            calibration={**spec.calibration, **{keyed(name): one for name, one in numbers.items()}},
            operating_points={**spec.operating_points, **{keyed(head): point for head, point in points.items()}},
        )
        result, more = scope.finish(result)
        further, rate = dict(more), scope.rate_of(result)
        if rate <= rates.max_fpr + 1e-9:
            figures = {
                head: {**scaling_figures(own, scope, fitted[head]), **head_figures(own, fitted[head], points[head])}
                for head, own in scope.rows.items()
            }
            return result, {
                "false_positive_rate_of_files": round(rate, 4),
                "head_rate_allowed": round(allowed, 4),
                "heads": figures,
                **further,
            }
        allowed *= TIGHTENING
    raise ExportError(f"no operating point keeps {rates.max_fpr:.3f} of genuine files; {rate:.3f} are called fake")


def choose_point(
    rows: HeadRows, calibration: Calibration, rates: Rates, chosen_on: str, weigh_sources: bool
) -> OperatingPoint:
    """Return thresholds of a head; that for *fake* keeps the rate on all rows and on every stratum of them."""
    probabilities = platt(rows.logits, calibration)
    weights = rows.weights if weigh_sources else None
    point, _ = choose_operating_point(
        probabilities, rows.labels, rates.max_fpr, rates.max_miss, chosen_on, weights=weights
    )
    real = rows.labels == 0
    limits = [
        _limit(probabilities, weights, real & (rows.strata == one), rates.max_fpr) for one in set(rows.strata[real])
    ]
    fake_threshold = max(point.fake_threshold, *limits)
    rate = float((probabilities[real] >= fake_threshold).mean())
    return replace(point, fake_threshold=fake_threshold, chosen_false_positive_rate=round(rate, 4))


def scaling_figures(rows: HeadRows, scope: Scope, calibration: Calibration) -> dict[str, object]:
    """Return scale and bias of a head with 95 % intervals, drawn over identities."""
    own = rows.only(paired(rows, scope.least_rows))
    weights = own.weights if scope.weigh_sources else None

    def refitted(drawn: NDArray[np.intp]) -> dict[str, float]:
        try:
            found = fit_platt(own.logits[drawn], own.labels[drawn], None if weights is None else weights[drawn])
        except DataError:  # a draw without a class
            return {"scale": math.nan, "bias": math.nan}
        return {"scale": found.scale, "bias": found.bias}

    drawn = estimate_rows(refitted, identity_codes(own.identities), SCALING_RESAMPLES, SEED)
    return {
        name: estimate_json(replace(drawn[name], value=value))
        for name, value in (("scale", calibration.scale), ("bias", calibration.bias))
    }


def head_figures(rows: HeadRows, calibration: Calibration, point: OperatingPoint) -> dict[str, object]:
    """Return from what a head's numbers were fitted and what they do there, with 95 % intervals.

    Copies count among the genuine rows that are called fake, and not among the rows and sources that are stated.
    """
    probabilities, real = platt(rows.logits, calibration), rows.labels == 0
    fake = ~real
    called = probabilities >= point.fake_threshold
    decided = called | (probabilities < point.real_threshold)
    found: dict[str, object] = {
        "genuine": rows.witnesses(0),
        "forged": rows.witnesses(1),
        "sources_genuine": len(set(rows.sources[real].tolist())),
        "sources_forged": len(set(rows.sources[fake].tolist())),
        "fake_threshold": round(point.fake_threshold, 6),
        "real_threshold": round(point.real_threshold, 6),
        "false_positive_rate": share_of(called[real], rows.identities[real], rows.sources[real]),
        "true_positive_rate": share_of(called[fake], rows.identities[fake], rows.sources[fake]),
        "decided_genuine": share_of(decided[real], rows.identities[real], rows.sources[real]),
        "decided_forged": share_of(decided[fake], rows.identities[fake], rows.sources[fake]),
    }
    for stratum in sorted(one for one in set(rows.strata[real]) if one):
        own = real & (rows.strata == stratum)
        found[f"false_positive_rate, {stratum}"] = share_of(called[own], rows.identities[own], rows.sources[own])
    return found


def too_few(rows: HeadRows, least: int) -> str:
    """Return why rows are too few to be fitted on; empty text where a stratum of them has enough of both classes."""
    if paired(rows, least).any():
        return ""
    return f"{rows.witnesses(1)} forged and {rows.witnesses(0)} genuine rows; {least} of each are needed, of one kind"


def paired(rows: HeadRows, least: int) -> Mask:
    """Return which rows are of a stratum that has at least ``least`` rows of both classes.

    On these the scaling is fitted. Forged frames of clips beside genuine photographs would be told apart by what
    differs between a frame and a photograph, which is not forgery.
    """
    found = np.zeros(len(rows.labels), dtype=np.bool_)
    for stratum in set(rows.strata.tolist()):
        own = rows.strata == stratum
        if min(rows.only(own).witnesses(label) for label in (0, 1)) >= least:
            found |= own
    return found


def usable(rows: HeadRows, least: int) -> HeadRows:
    """Return the rows that thresholds are chosen on: those of ``paired``, and all genuine ones."""
    return rows.only(paired(rows, least) | (rows.labels == 0))


def _limit(probabilities: Floats, weights: Floats | None, mask: Mask, share: float) -> float:
    own = np.argsort(probabilities[mask], kind="stable")
    ordered = probabilities[mask][own]
    return (
        threshold_above(ordered, share)
        if weights is None
        else weighted_threshold_above(ordered, weights[mask][own], share)
    )
