# SPDX-License-Identifier: Apache-2.0
"""Measures a scored manifest for the report: by view, by group, with abstentions, and what did not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.deciding import DomainDecisions, decisions_by_domain
from cad.evaluation.joining import Joined
from cad.evaluation.row_views import View, domains_of, views_of
from cad.metrics.bootstrap import RESAMPLES, Estimate
from cad.metrics.measured import Measured, measure
from cad.metrics.score_counts import identity_codes
from cad.spec import DOMAIN_MARK, domain_key

if TYPE_CHECKING:
    import pandas as pd

DECISIONS = ("fpr", "tpr", "accuracy", "balanced_accuracy")
#: Groups whose fakes are held against all genuine rows of the view, since genuine rows have no method.
AGAINST_ALL_REAL = ("group", "category", "method")
GROUPS = ("group", "category", "method", "source", "dataset", "language")
MAX_GROUPS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class ViewResult:
    """Figures of one view.

    Attributes:
        view: Which rows and which score.
        rows: Rows of the view.
        unscored: Rows of the view without a score, which are not in ``measured``.
        measured: Figures on the rows with a score; None where a class is absent.
    """

    view: View
    rows: int
    unscored: int
    measured: Measured | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Figures of the rows of one group (a method, a source ...)."""

    column: str
    group: str
    view: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class CoverageResult:
    """On how many rows the detector answered, and what its abstentions hide.

    Attributes:
        answers: How often each answer was given, by class (``real``, ``fake``).
        share: Share of rows with an answer of fake or real.
        left_out: Figures on those rows.
        errors: Figures on all rows, an abstention counting as the wrong answer.
        domains: How often it answered on each kind of file, and called genuine ones fake.
    """

    answers: Mapping[str, Mapping[str, int]]
    share: Estimate
    left_out: Measured | None
    errors: Measured | None
    domains: tuple[DomainDecisions, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What is measured of one scored manifest."""

    views: tuple[ViewResult, ...]
    groups: tuple[GroupResult, ...]
    coverage: CoverageResult
    problems: Mapping[str, int]

    def measured(self, view: str) -> Measured | None:
        """Return the figures of a view; None where it is not there or a class is absent."""
        return next((result.measured for result in self.views if result.view.name == view), None)


def build_report(
    joined: Joined,
    thresholds: Mapping[str, float],
    *,
    groups: Sequence[str] = GROUPS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """Return the report of a scored manifest.

    Args:
        joined: Rows with ``p_<head>`` and, if the detector gives one, ``answer``.
        thresholds: Shipped operating point by head, 0.5 where there is none; ``head@domain`` has that of one kind of
            file.
        groups: Columns by which the first view is taken apart.
        resamples: Bootstrap resamples a figure.
        seed: Of the resampling.
    """
    rows = joined.rows
    codes = identity_codes(rows["identity"].to_numpy())
    measurer = _Measurer(rows, codes, thresholds, resamples, seed)
    views = [view for view in views_of(rows) if f"p_{view.head}" in rows and rows[f"p_{view.head}"].notna().any()]
    return Report(
        views=tuple(measurer.view(view) for view in views),
        groups=tuple(measurer.groups(views, groups)),
        coverage=measurer.coverage(),
        problems=joined.counts(),
    )


@dataclass(frozen=True, slots=True)
class _Measurer:
    """The arrays that every part of the report needs."""

    rows: pd.DataFrame
    codes: NDArray[np.int64]
    thresholds: Mapping[str, float]
    resamples: int
    seed: int

    def scores(self, head: str) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.rows[f"p_{head}"].to_numpy(dtype=np.float64)
        return scores

    def answers(self) -> NDArray[Any]:
        """Return what the detector said of each row; without an ``answer`` column the threshold decides."""
        score = self.scores("file")
        called = np.where(score >= self.thresholds.get("file", 0.5), "fake", "real")
        if "answer" not in self.rows:
            return np.where(np.isnan(score), "error", called)
        stated = self.rows["answer"].fillna("error").to_numpy(dtype=object)
        return np.where(stated == "", "error", stated)

    def view(self, view: View) -> ViewResult:
        scored = view.mask & ~np.isnan(self.scores(view.head))
        measured = self.measured(view, scored)
        return ViewResult(view, int(view.mask.sum()), int(view.mask.sum() - scored.sum()), measured)

    def measured(self, view: View, mask: NDArray[np.bool_]) -> Measured | None:
        """Return the figures of ``mask``; the file's decisions are the answers given, not a threshold on the score."""
        scores, threshold = self.scores(view.head), self.thresholds.get(view.head, 0.5)
        if view.head == "file":
            return self._decided(scores, self.answers() == "fake", view.labels, mask, threshold)
        limits = self.limits(view.head)
        if (limits[mask] != threshold).any():
            return self._decided(scores, scores >= limits, view.labels, mask, threshold)
        return self._measure(scores, view.labels, mask, threshold) if mask.any() else None

    def limits(self, head: str) -> NDArray[np.float64]:
        """Return the operating point of a head for each row: that of its kind of file where there is one."""
        plain = self.thresholds.get(head, 0.5)
        if not any(key.startswith(f"{head}{DOMAIN_MARK}") for key in self.thresholds):
            return np.full(len(self.rows), plain)
        own = [self.thresholds.get(domain_key(head, str(domain)), plain) for domain in domains_of(self.rows)]
        return np.array(own, dtype=np.float64)

    def groups(self, views: Sequence[View], columns: Sequence[str]) -> list[GroupResult]:
        """Return the figures of every value of every column; the heads are taken apart by method only."""
        found = []
        for view in (view for view in views if "," not in view.name):
            scored = view.mask & ~np.isnan(self.scores(view.head))
            for column in columns if view.head == "file" else [c for c in columns if c == "method"]:
                if column in self.rows and self.rows[column].nunique() > 1:
                    found += self._groups_of(view, scored, column)
        return found

    def _groups_of(self, view: View, scored: NDArray[np.bool_], column: str) -> list[GroupResult]:
        values = self.rows[column].to_numpy(dtype=object)
        real = scored & (view.labels == 0)
        names, sizes = np.unique(values[scored].astype(str), return_counts=True)
        found = []
        for name in names[np.argsort(-sizes, kind="stable")][:MAX_GROUPS_SHOWN]:
            mask = scored & (values == name)
            if column in AGAINST_ALL_REAL:
                fakes = mask & (view.labels == 1)
                if not fakes.any() or (column == "group" and not name):
                    continue
                mask = fakes | real
            measured = self.measured(view, mask)
            if measured is not None:
                found.append(GroupResult(column, str(name), view.name, measured))
        return found

    def coverage(self) -> CoverageResult:
        labels, scores, answers = self.rows["label"].to_numpy(dtype=np.int8), self.scores("file"), self.answers()
        answered, every = np.isin(answers, ("fake", "real")), np.ones(len(labels), dtype=bool)
        share = self._measure(answered.astype(np.float64), every.astype(np.int8), every, 0.5).estimates["tpr"]
        tally = {
            name: dict(sorted(Counter(answers[labels == of].astype(str).tolist()).items()))
            for name, of in (("real", 0), ("fake", 1))
        }
        silent, called = ~answered | np.isnan(scores), answers == "fake"
        errors = left_out = self._decided(scores, called, labels, ~silent, 0.5)
        if silent.any():
            # A fake counts as called real with certainty, a genuine clip as called fake.
            worst = np.where(silent, np.where(labels == 1, -np.inf, np.inf), scores)
            errors = self._decided(worst, np.where(answered, called, labels == 0), labels, every, 0.5)
        domains = decisions_by_domain(self.rows, answers, self.resamples, self.seed)
        return CoverageResult(tally, share, left_out, errors, domains)

    def _decided(
        self, scores: NDArray[np.float64], called: NDArray[Any], labels: NDArray[Any], mask: NDArray[np.bool_],
        threshold: float,
    ) -> Measured | None:  # fmt: skip
        """Return the figures of ``mask``, with the decisions that ``called`` (fake or not) holds."""
        if not mask.any():
            return None
        ranked = self._measure(scores, labels, mask, threshold)
        decided = self._measure(called.astype(np.float64), labels, mask, 0.5)
        estimates = {**ranked.estimates, **{name: decided.estimates[name] for name in DECISIONS}}
        return replace(ranked, estimates=estimates, drawn={})

    def _measure(
        self, scores: NDArray[np.float64], labels: NDArray[Any], mask: NDArray[np.bool_], threshold: float
    ) -> Measured:
        codes = self.codes[mask]
        return measure(scores[mask], labels[mask], codes, threshold=threshold, resamples=self.resamples, seed=self.seed)
