# SPDX-License-Identifier: Apache-2.0
"""Measures several models on several sets for tools/compare.py, and lays them out as a paper prints them: model x set.

``measure_model`` scores one model on one set, ``measure_scores`` takes the scores of a foreign one; ``model_tables``
makes of all their records a ``Document``, which ``cad.evaluation.formats.FORMATS`` writes as Markdown, CSV or LaTeX.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cad.data.manifest import Manifest
from cad.evaluation.joining import join_part
from cad.evaluation.part import Part
from cad.evaluation.protocols import Kind
from cad.evaluation.protocols import Protocol as EvaluationProtocol
from cad.evaluation.records import FileScore
from cad.evaluation.report import Report, build_report
from cad.evaluation.row_views import sample_rows
from cad.evaluation.runner import run_part
from cad.evaluation.scorelog import Progress
from cad.evaluation.tables import HEADINGS, Cell, Document, Table, measured_json
from cad.metrics.bootstrap import RESAMPLES, Estimate
from cad.metrics.measured import Measured

if TYPE_CHECKING:
    import pandas as pd

#: What papers compare models by: a table each.
COMPARED = ("auc", "ap_fake", "eer", "accuracy_at_half", "accuracy_at_eer", "tpr_at_fpr_5")
UNCALIBRATED = "uncalibrated: figures at a threshold mean nothing"


class Model(Protocol):
    """What ``measure_model`` needs of a model: ``cad.evaluation.detector_scorer.DetectorScorer`` has it all."""

    @property
    def identity(self) -> str:
        """Name and hash of what scores."""
        ...

    @property
    def thresholds(self) -> dict[str, float]:
        """Operating point by head."""
        ...

    @property
    def is_calibrated(self) -> bool:
        """Whether probabilities and thresholds were ever fitted."""
        ...

    def score(self, path: str, file: Path) -> FileScore:
        """Return what is said of ``file``, which the manifest calls ``path``."""
        ...


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


def measure_model(
    name: str,
    model: Model,
    dataset: str,
    manifest: Manifest,
    out: Path,
    *,
    split: str = "",
    clips: int = 0,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> ModelOnSet:
    """Score a model on a set and return its figures; scores stay under ``out``, and a second run goes on from them.

    Args:
        name: What tables call the model.
        model: What scores.
        dataset: What tables call the set.
        manifest: The set.
        out: A folder of this model and set alone.
        split: Which split is scored; empty for all rows.
        clips: At most so many rows of each class; 0 takes all.
        resamples: Bootstrap resamples of each figure.
        seed: Of what is drawn.
        progress: Called before each file.

    Raises:
        DataError: The split has no row, or ``out`` holds scores of another model.
    """
    rows = sample_rows(manifest.select(split or None).rows, clips, seed)
    plan = EvaluationProtocol("manifest", Kind.CONDITIONS, dataset, split=split, groups=(), seed=seed)
    part = Part(dataset, rows, manifest.root)
    result = run_part(part, model, model.thresholds, plan, out, progress, resamples)
    return ModelOnSet(name, dataset, result.report, model.identity, model.is_calibrated)


def measure_scores(
    name: str,
    scores: pd.DataFrame,
    dataset: str,
    manifest: Manifest,
    *,
    split: str = "",
    clips: int = 0,
    threshold: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
    identity: str = "",
) -> ModelOnSet:
    """Return the figures of a foreign model's scores (``cad.evaluation.joining.read_scores``) on a set.

    Args:
        name: What tables call the model.
        scores: By ``path``; larger means fake.
        dataset: What tables call the set.
        manifest: The set.
        split: Which split is measured; empty for all rows.
        clips: At most so many rows of each class, the same as ``measure_model`` takes; 0 takes all.
        threshold: Called fake from here on.
        resamples: Bootstrap resamples of each figure.
        seed: Of what is drawn.
        identity: Where the scores come from.

    Raises:
        DataError: The split has no row, or none of its rows has a score.
    """
    rows = sample_rows(manifest.select(split or None).rows, clips, seed)
    joined = join_part(rows, scores, set(manifest.rows["path"]))
    report = build_report(joined, {"file": threshold}, groups=(), resamples=resamples, seed=seed)
    return ModelOnSet(name, dataset, report, identity or name)


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
