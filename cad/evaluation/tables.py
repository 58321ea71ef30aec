# SPDX-License-Identifier: Apache-2.0
"""Gives people reports as Markdown and programs the same as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cad.evaluation.report import CoverageResult, Report
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import NAMES, Measured

HEADINGS = {
    "fpr": "FPR at the shipped threshold",
    "tpr": "TPR at it",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "ap_fake": "AP (fake)",
    "ap_real": "AP (real)",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR at 1 % FPR",
    "tpr_at_fpr_5": "TPR at 5 % FPR",
    "ece": "ECE",
    "ece_balanced": "ECE, classes even",
}
GROUP_METRICS = ("fpr", "tpr", "auc", "ap_fake", "eer")
READING_NOTE = (
    "Fake is the positive class. Brackets hold the 95 % interval of a bootstrap over identities. FPR: genuine rows "
    "called fake. `file` is the answer of the product (its FPR and TPR count the answers given, *inconclusive* "
    "being no accusation); each head stands at its own shipped threshold. AP (real) has genuine rows as positives."
)


def markdown_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Example:
        >>> print(markdown_table(["a", "b"], [["1", "2"]]))
        | a | b |
        |---|---|
        | 1 | 2 |
    """
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (headings, *lines))
    return "\n".join([head, "|" + "---|" * len(headings), *body])


def report_markdown(report: Report, title: str, facts: Sequence[str] = ()) -> str:
    """Return the whole report as a Markdown document; ``facts`` are lines on what was scored with what."""
    lines = []
    for result in report.views:
        counts, *cells = measured_cells(result.measured, NAMES)
        lines.append([result.view.name, counts, str(result.unscored), *cells])
    headings = ["score", "real / fake", "no score", *(HEADINGS[name] for name in NAMES)]
    parts = [f"# {title}", *facts, READING_NOTE, f"## Streams\n\n{markdown_table(headings, lines)}"]
    parts.append(f"## Answers\n\n{coverage_markdown(report.coverage)}")
    for column in dict.fromkeys(group.column for group in report.groups):
        for view in dict.fromkeys(group.view for group in report.groups if group.column == column):
            chosen = [group for group in report.groups if group.column == column and group.view == view]
            lines = [[g.group or "(not stated)", *measured_cells(g.measured, GROUP_METRICS)] for g in chosen]
            headings = [column, "real / fake", *(HEADINGS[name] for name in GROUP_METRICS)]
            parts.append(f"## {view}, by {column}\n\n{markdown_table(headings, lines)}")
    problems = [[kind, str(count)] for kind, count in report.problems.items()]
    table = markdown_table(["problem", "rows"], problems) if problems else "None."
    parts.append(f"## Rows that did not fit\n\n{table}")
    return "\n\n".join(parts) + "\n"


def coverage_markdown(coverage: CoverageResult) -> str:
    """Return how often the detector answered, and the figures with abstentions left out and counted as errors."""
    names = ("fake", "real", "inconclusive", "error")
    tally = markdown_table(
        ["truth", *names],
        [[truth, *(str(counts.get(name, 0)) for name in names)] for truth, counts in coverage.answers.items()],
    )
    metrics = ("fpr", "tpr", "balanced_accuracy", "auc")
    both = markdown_table(
        ["abstentions", "real / fake", *(HEADINGS[name] for name in metrics)],
        [
            ["left out", *measured_cells(coverage.left_out, metrics)],
            ["counted as errors", *measured_cells(coverage.errors, metrics)],
        ],
    )
    return f"{tally}\n\nAnswered (fake or real): {coverage.share.text()} of the files.\n\n{both}"


def measured_cells(measured: Measured | None, names: Sequence[str]) -> list[str]:
    """Return the number of rows of either class and some figures, as they stand in a table."""
    if measured is None:
        return ["0 / 0", *("-" for _ in names)]
    return [f"{measured.reals} / {measured.fakes}", *(measured.estimates[name].text() for name in names)]


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
        },
        "problems": dict(report.problems),
    }
