# SPDX-License-Identifier: Apache-2.0
"""Tables of figures for people (``formats`` writes them out), and the same as plain JSON values for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cad.evaluation.report import Report
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import NAMES, Measured

HEADINGS = {
    "fpr": "FPR at the shipped threshold",
    "tpr": "TPR at it",
    "accuracy": "accuracy at it",
    "balanced_accuracy": "balanced accuracy",
    "accuracy_at_half": "accuracy at 0.5",
    "accuracy_at_eer": "accuracy at the EER threshold",
    "auc": "AUC",
    "ap_fake": "AP (fake)",
    "ap_real": "AP (real)",
    "eer": "EER",
    "eer_threshold": "EER threshold",
    "min_dcf": "minDCF",
    "tpr_at_fpr_1": "TPR at 1 % FPR",
    "tpr_at_fpr_5": "TPR at 5 % FPR",
    "ece": "ECE",
    "ece_balanced": "ECE, classes even",
}
GROUP_METRICS = ("fpr", "tpr", "accuracy", "auc", "ap_fake", "ap_real", "eer")
READING_NOTE = (
    "Fake is the positive class. Brackets hold the 95 % interval of a bootstrap over identities. FPR: genuine rows "
    "called fake. `file` is the answer of the product (its FPR and TPR count the answers given, *inconclusive* "
    "being no accusation); each head stands at its own shipped threshold. AP (real) has genuine rows as positives. "
    "minDCF is that of ASVspoof 5, normalised (prior of a fake .05, cost 1 of a genuine row called fake, 10 of a fake "
    "let through)."
)


#: What stands in a table: text, or a figure with its interval.
Cell = str | Estimate


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a report.

    Attributes:
        title: Empty where it goes on under the title before.
        headings: Of the columns; the first column names the lines.
        lines: One cell a heading.
        note: Text under the table.
    """

    title: str
    headings: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A report before it is written out.

    Attributes:
        title: Of the whole.
        facts: What was scored with what, and how to read the tables; a line each.
        tables: In order.
    """

    title: str
    facts: Sequence[str]
    tables: Sequence[Table]


def cell_text(cell: Cell) -> str:
    """Return a cell as people read it."""
    return cell if isinstance(cell, str) else cell.text()


def markdown_table(headings: Sequence[str], lines: Iterable[Sequence[Cell]]) -> str:
    """Return a Markdown table.

    Example:
        >>> print(markdown_table(["a", "b"], [["1", "2"]]))
        | a | b |
        |---|---|
        | 1 | 2 |
    """
    rows = ([cell_text(cell).replace("|", "\\|") for cell in row] for row in (headings, *lines))
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(headings), *body])


def measured_cells(measured: Measured | None, names: Sequence[str]) -> list[Cell]:
    """Return the number of rows of either class and some figures, as they stand in a table."""
    if measured is None:
        return ["0 / 0", *("-" for _ in names)]
    return [f"{measured.reals} / {measured.fakes}", *(measured.estimates[name] for name in names)]


def measured_json(measured: Measured | None) -> dict[str, Any] | None:
    """Return figures as plain values; a figure that is not defined is None."""
    if measured is None:
        return None
    return {
        "fakes": measured.fakes,
        "reals": measured.reals,
        "identities": measured.identities,
        "threshold": measured.threshold,
        "metrics": estimates_json({name: measured.estimates[name] for name in NAMES}),
    }


def estimate_json(estimate: Estimate) -> dict[str, float | None]:
    """Return a figure and its interval as plain values."""
    values = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(value) else round(value, 6) for name, value in values.items()}


def estimates_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return figures by name and their intervals as plain values."""
    return {name: estimate_json(value) for name, value in estimates.items()}


def estimate_from_json(raw: Mapping[str, float | None]) -> Estimate:
    """Return the figure that ``estimate_json`` wrote.

    Example:
        >>> estimate_from_json({"value": 0.9, "low": None, "high": None}).text()
        '0.900'
    """
    value, low, high = (math.nan if (end := raw[name]) is None else float(end) for name in ("value", "low", "high"))
    return Estimate(value, low, high)


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as plain JSON values."""
    coverage = report.coverage
    return {
        "views": [
            {
                "name": r.view.name,
                "head": r.view.head,
                "rows": r.rows,
                "unscored": r.unscored,
                "measured": measured_json(r.measured),
            }
            for r in report.views
        ],
        "groups": [
            {"column": g.column, "group": g.group, "view": g.view, "measured": measured_json(g.measured)}
            for g in report.groups
        ],
        "coverage": {
            "answers": {truth: dict(counts) for truth, counts in coverage.answers.items()},
            "share": estimate_json(coverage.share),
            "left_out": measured_json(coverage.left_out),
            "errors": measured_json(coverage.errors),
            "domains": {
                one.domain: {
                    "reals": one.reals,
                    "fakes": one.fakes,
                    "sources": one.sources,
                    **estimates_json(one.shares),
                }
                for one in coverage.domains
            },
        },
        "problems": dict(report.problems),
    }
