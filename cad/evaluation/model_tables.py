# SPDX-License-Identifier: Apache-2.0
"""Lays several models' figures on several sets out as a paper prints them, model by set, for tools/compare.py.

``model_tables`` makes of one ``ModelOnSet`` for each model and set a ``Document``, which
``cad.evaluation.formats.FORMATS`` writes as Markdown, CSV or LaTeX.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cad.evaluation.report import Report
from cad.evaluation.tables import HEADINGS, Cell, Document, Table, measured_json
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import Measured

#: What papers compare models by: a table each.
COMPARED = ("auc", "ap_fake", "eer", "accuracy_at_half", "accuracy_at_eer", "tpr_at_fpr_5")
UNCALIBRATED = "uncalibrated: figures at a threshold mean nothing"


@dataclass(frozen=True, slots=True)
class ModelOnSet:
    """Figures of one model on one set.

    Attributes:
        model: What tables call it.
        dataset: What tables call the set.
        report: Everything that was measured.
        identity: Name and hash of what scored, or the file that the scores come from.
        is_calibrated: Whether figures at a threshold mean something.
        view: Whose figures are shown: ``file`` for the product's answer, or a head such as ``video head``.
    """

    model: str
    dataset: str
    report: Report
    identity: str
    is_calibrated: bool = True
    view: str = "file"

    @property
    def measured(self) -> Measured | None:
        """The figures that tables show; None where nothing was scored."""
        return self.report.measured(self.view)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return {
            "model": self.model,
            "set": self.dataset,
            "identity": self.identity,
            "is_calibrated": self.is_calibrated,
            "view": self.view,
            "measured": measured_json(self.measured),
            "problems": dict(self.report.problems),
        }


def model_tables(
    found: Sequence[ModelOnSet], title: str, metrics: Sequence[str] = COMPARED, facts: Sequence[str] = ()
) -> Document:
    """Return a table of models by sets for each metric, and one with the rows that each figure rests on.

    Args:
        found: In the order in which models and sets shall stand.
        title: Of the document.
        metrics: Of ``cad.metrics.measured.NAMES``.
        facts: Lines on what was compared.
    """
    raw = dict.fromkeys(one.model for one in found if not one.is_calibrated)
    notes = [f"{name} is {UNCALIBRATED}." for name in raw]
    tables = [set_table(found, metric) for metric in metrics]
    return Document(title, [*facts, *notes], [*tables, _counts_table(found)])


def set_table(found: Sequence[ModelOnSet], metric: str) -> Table:
    """Return one metric of every model (lines) on every set (columns), and its mean where there are several sets."""
    sets = list(dict.fromkeys(one.dataset for one in found))
    lines: list[list[Cell]] = []
    for model, by_set in _by_model(found).items():
        cells: list[Cell] = [_estimate(by_set.get(name), metric) for name in sets]
        values = [cell.value for cell in cells if isinstance(cell, Estimate)]
        whole = len(values) == len(sets)
        mean: list[Cell] = [Estimate(math.fsum(values) / len(values) if whole else math.nan)]
        lines.append([model, *cells, *(mean if len(sets) > 1 else [])])
    return Table(HEADINGS[metric], ["model", *sets, *(["mean"] if len(sets) > 1 else [])], lines)


def _by_model(found: Sequence[ModelOnSet]) -> dict[str, dict[str, ModelOnSet]]:
    models: dict[str, dict[str, ModelOnSet]] = {}
    for one in found:
        models.setdefault(one.model, {})[one.dataset] = one
    return models


def _estimate(one: ModelOnSet | None, metric: str) -> Cell:
    return "-" if one is None or one.measured is None else one.measured.estimates[metric]


def _counts_table(found: Sequence[ModelOnSet]) -> Table:
    """Return how many rows of either class each figure rests on, and what did not fit."""
    lines = [
        [
            one.model,
            one.dataset,
            str(one.measured.reals if one.measured else 0),
            str(one.measured.fakes if one.measured else 0),
            ", ".join(f"{kind}: {count}" for kind, count in one.report.problems.items()) or "none",
        ]
        for one in found
    ]
    return Table("Rows", ["model", "set", "real", "fake", "rows that did not fit"], lines)


def json_of(found: Sequence[ModelOnSet]) -> list[Mapping[str, Any]]:
    """Return all records as plain values."""
    return [one.to_json() for one in found]
