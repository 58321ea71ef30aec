# SPDX-License-Identifier: Apache-2.0
"""Lays a report out as tables: streams, answers, groups, and what did not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cad.evaluation import paper_groups
from cad.evaluation.deciding import NAMES as NAMES_OF_DOMAINS
from cad.evaluation.deciding import DomainDecisions
from cad.evaluation.report import CoverageResult, GroupResult, Report
from cad.evaluation.tables import GROUP_METRICS, HEADINGS, Cell, Table, measured_cells
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import NAMES


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the tables of one scored manifest."""
    lines = []
    for result in report.views:
        counts, *cells = measured_cells(result.measured, NAMES)
        lines.append([result.view.name, counts, str(result.unscored), *cells])
    yield Table("Streams", ["score", "real / fake", "no score", *(HEADINGS[name] for name in NAMES)], lines)
    yield from coverage_tables(report.coverage)
    yield from group_tables(report)
    problems = [[kind, str(count)] for kind, count in report.problems.items()]
    yield Table("Rows that did not fit", ["problem", "rows"], problems, "" if problems else "None.")


def group_tables(report: Report, before: str = "", views: Sequence[str] = ()) -> Iterator[Table]:
    """Yield the tables of groups, those of some ``views`` or all; their titles have ``before`` in front."""
    chosen = [group for group in report.groups if not views or group.view in views]
    for column, view in dict.fromkeys((group.column, group.view) for group in chosen):
        groups = [group for group in chosen if (group.column, group.view) == (column, view)]
        yield _group_table(f"{before}{view}, by {column}", column, groups)


def _group_table(title: str, column: str, groups: Sequence[GroupResult]) -> Table:
    """Return one line a group; those that papers name stand in their order, with their means beneath."""
    headings = [column, "real / fake", *(HEADINGS[name] for name in GROUP_METRICS)]
    if column != paper_groups.COLUMN:
        lines = [[g.group or "(not stated)", *measured_cells(g.measured, GROUP_METRICS)] for g in groups]
        return Table(title, headings, lines)
    order = [name for named in paper_groups.PAPER_GROUPS.values() for name in named]
    by_name = {g.group: g.measured for g in groups}
    lines = [
        [name, *measured_cells(by_name[name], GROUP_METRICS)]
        for name in sorted(by_name, key=lambda name: order.index(name) if name in order else len(order))
    ]
    note = "Each group against all genuine rows."
    for mean, names in paper_groups.PAPER_MEANS.items():
        if by_name.keys() >= set(names):
            values = [[by_name[name].estimates[metric].value for name in names] for metric in GROUP_METRICS]
            lines.append([mean, "", *(Estimate(math.fsum(each) / len(each)) for each in values)])
            note += f" {mean} is the mean of {', '.join(names)}."
    return Table(title, headings, lines, note)


def decisions_table(domains: Sequence[DomainDecisions], before: str = "") -> Table:
    """Return a line for each kind of file: how much of it is decided, at which false positive rate."""
    headings = [
        "kind of file", "real / fake", "decided", "genuine decided", "forged decided", "genuine called fake",
        "the same, mean of the sources", "sources of genuine files",
    ]  # fmt: skip
    lines: list[list[Cell]] = [
        [NAMES_OF_DOMAINS[one.domain], f"{one.reals} / {one.fakes}", *one.shares.values(), str(one.sources)]
        for one in domains
    ]
    note = (
        "Decided: answered fake or real, neither inconclusive nor unreadable, at the shipped thresholds. Intervals are "
        "drawn over identities, in the column of sources over sources."
    )
    return Table(f"{before}Decided, by kind of file", headings, lines, note)


def coverage_tables(coverage: CoverageResult) -> Iterator[Table]:
    """Yield how often the detector answered, and the figures with abstentions left out and counted as errors."""
    names = ("fake", "real", "inconclusive", "error")
    yield Table(
        "Answers",
        ["truth", *names],
        [[truth, *(str(counts.get(name, 0)) for name in names)] for truth, counts in coverage.answers.items()],
        f"Answered (fake or real): {coverage.share.text()} of the files.",
    )
    yield decisions_table(coverage.domains)
    metrics = ("fpr", "tpr", "balanced_accuracy", "auc")
    yield Table(
        "",
        ["abstentions", "real / fake", *(HEADINGS[name] for name in metrics)],
        [
            ["left out", *measured_cells(coverage.left_out, metrics)],
            ["counted as errors", *measured_cells(coverage.errors, metrics)],
        ],
    )
