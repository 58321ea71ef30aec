# SPDX-License-Identifier: Apache-2.0
"""Figures and tables of the forgery ablation: each kind alone, beside the other kinds, and beside the forged rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.tables import markdown_table
from cad.metrics import roc
from cad.metrics.bootstrap import RESAMPLES, Estimate, interval, resample
from cad.metrics.score_counts import Floats, count_scores, identity_codes
from cad.training.forgery_ablation.gathering import Gathered, Known
from cad.training.forgery_ablation.left_out import left_out_scores

_log = logging.getLogger(__name__)

#: Kinds that put the data's own forged rows into genuine clips: they do not show what a forger adds to the data.
MADE_OF_ROWS = ("synthetic_speech",)


@dataclass(frozen=True, slots=True)
class KindAblation:
    """What one kind adds, as AUC on sources left out.

    Attributes:
        kind: Its name.
        clips: Genuine clips that it could forge.
        itself: Fitted on this kind and scored on this kind made of clips of the sources left out: whether the encoder
            can see it at all.
        alone: Fitted on this kind.
        without: Fitted on all kinds but this one; None for kinds made of forged rows, which are not among them.
        adds: All kinds minus ``without``.
        rows_and_it: Fitted on the forged rows of the other sources and this kind.
        adds_to_rows: That minus the forged rows alone.
    """

    kind: str
    clips: int
    itself: Estimate
    alone: Estimate
    without: Estimate | None
    adds: Estimate | None
    rows_and_it: Estimate
    adds_to_rows: Estimate


@dataclass(frozen=True, slots=True)
class ForgeryAblation:
    """All figures of a stream.

    Attributes:
        kinds: By kind, in the order of what is added to the forged rows.
        all_kinds: Fitted on all kinds, those made of forged rows aside.
        rows_alone: Fitted on the forged rows of the other sources.
        rows_and_all: Fitted on both, half of the weight each.
        rows_and_all_adds: ``rows_and_all`` minus ``rows_alone``.
        genuine: Number of genuine rows scored.
        forged: Number of forged rows scored.
        identities: Number of people in them.
        sources: Number of sources of the forged rows.
    """

    kinds: tuple[KindAblation, ...]
    all_kinds: Estimate
    rows_alone: Estimate
    rows_and_all: Estimate
    rows_and_all_adds: Estimate
    genuine: int
    forged: int
    identities: int
    sources: int


def measure_ablation(gathered: Gathered, strength: float, resamples: int = RESAMPLES) -> ForgeryAblation:
    """Return the figures of one stream.

    Args:
        gathered: The statistics.
        strength: Of the classifier, see ``left_out_scores``.
        resamples: Bootstrap resamples over identities.
    """
    judged = [row for row in gathered.rows if row.path in gathered.plain]
    labels = np.array([row.is_fake for row in judged], dtype=np.int64)
    identities = identity_codes([row.identity for row in judged])
    found: dict[str, _Scored] = {}

    def scored(name: str, *groups: Mapping[str, Known]) -> _Scored:
        if name not in found:
            _log.info("fit %s", name)
            fitted_on = [list(group.values()) for group in groups]
            (scores,) = left_out_scores(gathered, judged, [gathered.plain], fitted_on, strength)
            found[name] = _Scored(scores, labels, identities, resamples)
        return found[name]

    def itself(known: Known) -> Estimate:
        twins = [row for row in gathered.rows if row.path in known and row.path in gathered.genuine]
        genuine, forged = left_out_scores(gathered, twins, [gathered.genuine, known], [[known]], strength)
        codes, classes = identity_codes([row.identity for row in twins]), np.repeat([0, 1], len(twins))
        return _Scored(np.concatenate([genuine, forged]), classes, np.tile(codes, 2), resamples).auc

    rows = {"forged rows": gathered.forged}
    pure = {kind: known for kind, known in gathered.kinds.items() if kind not in MADE_OF_ROWS}
    all_kinds, rows_alone = scored("all kinds", pure), scored("forged rows", rows)
    both = scored("forged rows, all kinds", rows, pure)
    kinds = []
    for kind, known in gathered.kinds.items():
        rest = {name: others for name, others in pure.items() if name != kind}
        without = scored(f"all but {kind}", rest) if kind in pure and rest else None
        with_rows = scored(f"forged rows, {kind}", rows, {kind: known})
        kinds.append(
            KindAblation(
                kind,
                len(known),
                itself(known),
                scored(kind, {kind: known}).auc,
                without.auc if without else None,
                all_kinds.minus(without) if without else None,
                with_rows.auc,
                with_rows.minus(rows_alone),
            )
        )
    forged = [row for row in judged if row.is_fake]
    return ForgeryAblation(
        tuple(sorted(kinds, key=lambda one: -one.adds_to_rows.value)),
        all_kinds.auc,
        rows_alone.auc,
        both.auc,
        both.minus(rows_alone),
        len(judged) - len(forged),
        len(forged),
        len(set(identities.tolist())),
        len({row.source for row in forged}),
    )


class _Scored:
    """The AUC of some scores, and of each resample; all scores meet the same resamples."""

    def __init__(
        self, scores: Floats, labels: NDArray[np.int64], identities: NDArray[np.int64], resamples: int
    ) -> None:
        levels = count_scores(scores, labels, identities)
        self._value = float(roc.auc(levels.count_once())[0])
        drawn = resample(levels, lambda counts: {"auc": roc.auc(counts)}, resamples, seed=0)
        self._drawn = drawn.get("auc", np.empty(0))

    @property
    def auc(self) -> Estimate:
        return Estimate(self._value, *interval(self._drawn))

    def minus(self, other: _Scored) -> Estimate:
        return Estimate(self._value - other._value, *interval(self._drawn - other._drawn))


def ablation_markdown(ablation: ForgeryAblation) -> str:
    """Return two tables: reference points, and the kinds."""
    references = [
        ["all kinds", ablation.all_kinds.text(), ""],
        ["forged rows of other sources", ablation.rows_alone.text(), ""],
        ["those and all kinds", ablation.rows_and_all.text(), _signed(ablation.rows_and_all_adds)],
    ]
    kinds = [
        [
            one.kind + ("*" if one.kind in MADE_OF_ROWS else ""),
            str(one.clips),
            one.itself.text(),
            one.alone.text(),
            "-" if one.without is None else one.without.text(),
            "-" if one.adds is None else _signed(one.adds),
            one.rows_and_it.text(),
            _signed(one.adds_to_rows),
        ]
        for one in ablation.kinds
    ]
    headings = ["kind", "clips", "itself", "alone", "all but it"]
    headings += ["it adds to the others", "rows and it", "it adds to the rows"]
    counts = (
        f"{ablation.forged} forged rows of {ablation.sources} sources against {ablation.genuine} genuine ones; "
        f"{ablation.identities} identities."
    )
    first = markdown_table(["fitted on", "AUC", "more than the rows"], references)
    return "\n\n".join([counts, first, markdown_table(headings, kinds)])


def _signed(estimate: Estimate) -> str:
    text = f"{estimate.value:+.3f}"
    return text if np.isnan(estimate.low) else f"{text} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
