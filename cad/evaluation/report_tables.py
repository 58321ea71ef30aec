# SPDX-License-Identifier: Apache-2.0
"""Lays a report out as tables: streams, answers, groups, and what did not fit."""

from __future__ import annotations

from collections.abc import Iterator

from cad.evaluation.report import CoverageResult, Report
from cad.evaluation.tables import GROUP_METRICS, HEADINGS, Table, measured_cells
from cad.metrics.measured import NAMES


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the tables of one scored manifest."""
    lines = []
    for result in report.views:
        counts, *cells = measured_cells(result.measured, NAMES)
        lines.append([result.view.name, counts, str(result.unscored), *cells])
    yield Table("Streams", ["score", "real / fake", "no score", *(HEADINGS[name] for name in NAMES)], lines)
    yield from coverage_tables(report.coverage)
    for column in dict.fromkeys(group.column for group in report.groups):
        for view in dict.fromkeys(group.view for group in report.groups if group.column == column):
            chosen = [group for group in report.groups if group.column == column and group.view == view]
            yield Table(
                f"{view}, by {column}",
                [column, "real / fake", *(HEADINGS[name] for name in GROUP_METRICS)],
                [[g.group or "(not stated)", *measured_cells(g.measured, GROUP_METRICS)] for g in chosen],
            )
    problems = [[kind, str(count)] for kind, count in report.problems.items()]
    yield Table("Rows that did not fit", ["problem", "rows"], problems, "" if problems else "None.")


def coverage_tables(coverage: CoverageResult) -> Iterator[Table]:
    """Yield how often the detector answered, and the figures with abstentions left out and counted as errors."""
    names = ("fake", "real", "inconclusive", "error")
    yield Table(
        "Answers",
        ["truth", *names],
        [[truth, *(str(counts.get(name, 0)) for name in names)] for truth, counts in coverage.answers.items()],
        f"Answered (fake or real): {coverage.share.text()} of the files.",
    )
    metrics = ("fpr", "tpr", "balanced_accuracy", "auc")
    yield Table(
        "",
        ["abstentions", "real / fake", *(HEADINGS[name] for name in metrics)],
        [
            ["left out", *measured_cells(coverage.left_out, metrics)],
            ["counted as errors", *measured_cells(coverage.errors, metrics)],
        ],
    )
