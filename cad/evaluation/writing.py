# SPDX-License-Identifier: Apache-2.0
"""Writes what a run leaves to its reader: report.md, report.csv, report.tex, report.json and figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cad.errors import DataError
from cad.evaluation import figures
from cad.evaluation.foreign import LocatedPart
from cad.evaluation.formats import FORMATS
from cad.evaluation.localisation import DEFINITIONS
from cad.evaluation.part import slug
from cad.evaluation.protocols import Kind, Protocol
from cad.evaluation.report_tables import decisions_table, group_tables, report_tables
from cad.evaluation.runner import PartResult
from cad.evaluation.tables import (
    GROUP_METRICS,
    HEADINGS,
    READING_NOTE,
    Cell,
    Document,
    Table,
    estimates_json,
    measured_cells,
    report_json,
)
from cad.metrics.bootstrap import Estimate
from cad.metrics.measured import NAMES


def write_results(
    results: Sequence[PartResult],
    protocol: Protocol,
    facts: Sequence[str],
    out: Path,
    thresholds: Mapping[str, float],
    draw: bool = True,
) -> Document:
    """Write report.md, report.csv, report.tex, report.json and, if asked to, the figures, and return the report.

    Raises:
        DataError: There is nothing to write.
    """
    if not results:
        raise DataError(f"{protocol.name}: nothing was scored")
    document = results_document(results, protocol, facts)
    write_document(document, out)
    (out / "report.json").write_text(json.dumps(_json(results, protocol, document.facts), indent=1), encoding="utf-8")
    if draw:
        _draw(results, protocol, out / "figures", thresholds)
    return document


def write_located(parts: Sequence[LocatedPart], protocol: Protocol, facts: Sequence[str], out: Path) -> Document:
    """Write the report on another detector's proposals and return it."""
    lines: list[list[Cell]] = []
    for part in parts:
        counts = [part.name, f"{part.reals} / {part.fakes}", str(part.segments), str(part.proposals)]
        lines.append([*counts, *part.estimates.values()])
    headings = ["part", "real / fake", "true stretches", "proposals", *parts[0].estimates]
    problems = [
        [part.name, kind, str(count)]
        for part in parts
        for kind, count in Counter(problem.kind for problem in part.problems).items()
    ]
    missing = Table("Rows that did not fit", ["part", "problem", "rows"], problems, "" if problems else "None.")
    found = [*facts, *_source(protocol), *(f"{part.name}: {note}." for part in parts for note in part.notes)]
    document = Document(protocol.title, found, [Table("Localisation", headings, lines), missing])
    write_document(document, out)
    stored = [{"name": part.name, "localisation": estimates_json(part.estimates)} for part in parts]
    report = {"protocol": protocol.name, "title": protocol.title, "facts": found, "parts": stored}
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return document


def _source(protocol: Protocol) -> list[str]:
    definition = DEFINITIONS[protocol.localisation]
    located = protocol.kind in (Kind.LOCALISATION, Kind.SPLICES)
    return [
        *([f"Source of the protocol: {protocol.source}."] if protocol.source else []),
        *([f"AP and AR as `{definition.name}` defines them: {definition.source}."] if located else []),
    ]


def write_document(document: Document, out: Path) -> None:
    """Write a report as report.md, report.csv and report.tex."""
    out.mkdir(parents=True, exist_ok=True)
    for name, suffix in (("md", "md"), ("csv", "csv"), ("latex", "tex")):
        (out / f"report.{suffix}").write_text(FORMATS[name](document), encoding="utf-8")


def results_document(results: Sequence[PartResult], protocol: Protocol, facts: Sequence[str]) -> Document:
    """Return the report on the parts of a protocol: every table of a single one, a line each of several."""
    found = [*facts, *_source(protocol)]
    if len(results) == 1:
        (only,) = results
        found += [f"Rows left out: {_text(only.part.left_out)}."] if only.part.left_out else []
        tables = [*report_tables(only.report)]
    else:
        tables = [*parts_tables(results)]
        tables += [decisions_table(result.report.coverage.domains, f"{result.part.name}: ") for result in results]
        if protocol.kind in (Kind.CONDITIONS, Kind.TRANSFER):
            tables += [
                table for result in results for table in group_tables(result.report, f"{result.part.name}: ", ("file",))
            ]
    located = {
        name: estimates
        for result in results
        for name, estimates in (
            (result.part.name, result.localisation),
            *((f"{result.part.name}, {stream} alone", own) for stream, own in result.localisation_by_stream.items()),
        )
    }
    tables += estimates_tables("Localisation", located)
    tables += estimates_tables("Offset of the moved clips", {result.part.name: result.offsets for result in results})
    return Document(protocol.title, [*found, READING_NOTE], tables)


def parts_tables(results: Sequence[PartResult]) -> Iterator[Table]:
    """Yield one table for each view with a line for each part, and what each part left out.

    The file's own has every figure, since it is the one that papers have.
    """
    for view in dict.fromkeys(found.view.name for result in results for found in result.report.views):
        names = NAMES if view == "file" else GROUP_METRICS
        lines = [[r.part.name, *measured_cells(r.report.measured(view), names)] for r in results]
        yield Table(view, ["part", "real / fake", *(HEADINGS[name] for name in names)], lines)
    covered: list[list[Cell]] = [
        [r.part.name, r.report.coverage.share, _text(r.part.left_out), _text(r.report.problems)] for r in results
    ]
    yield Table("Coverage", ["part", "answered", "rows left out", "rows that did not fit"], covered)


def estimates_tables(title: str, by_part: Mapping[str, Mapping[str, Estimate]]) -> list[Table]:
    """Return a table with a line for each part that has such figures, nothing where none has."""
    found = {name: estimates for name, estimates in by_part.items() if estimates}
    if not found:
        return []
    lines: list[list[Cell]] = [[name, *estimates.values()] for name, estimates in found.items()]
    return [Table(title, ["part", *next(iter(found.values()))], lines)]


def _text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"


def _json(results: Sequence[PartResult], protocol: Protocol, facts: Sequence[str]) -> dict[str, Any]:
    parts = [
        {
            "name": result.part.name,
            "left_out": dict(result.part.left_out),
            **report_json(result.report),
            "localisation": estimates_json(result.localisation),
            "offsets": estimates_json(result.offsets),
            "localisation_by_stream": {
                stream: estimates_json(own) for stream, own in result.localisation_by_stream.items()
            },
        }
        for result in results
    ]
    return {"protocol": protocol.name, "title": protocol.title, "facts": list(facts), "parts": parts}


def _draw(results: Sequence[PartResult], protocol: Protocol, folder: Path, thresholds: Mapping[str, float]) -> None:
    if protocol.kind is Kind.ROBUSTNESS:
        _draw_heat_maps(results, protocol, folder)
    elif len(results) > 1:
        # The AUC of every part: of the sync head where sound was moved, else of the file's answer.
        view = "sync head" if protocol.kind is Kind.DESYNC else "file"
        measured = {result.part.name: result.report.measured(view) for result in results}
        found = {name: one.estimates["auc"] for name, one in measured.items() if one is not None}
        if any(not np.isnan(estimate.value) for estimate in found.values()):
            figures.save_part_bars(found, f"{protocol.title}: {view}", "parts", folder)
    for result in results if len(results) <= 3 else results[:1]:
        place = folder if len(results) == 1 else folder / slug(result.part.name)
        points = {v.view.name: thresholds[v.view.head] for v in result.report.views if v.view.head in thresholds}
        figures.save_figures(_scored_views(result), result.report.groups, points, place)


def _scored_views(result: PartResult) -> figures.Scored:
    """Return scores and labels of the views that are not mere parts of another, for the figures."""
    scored = {}
    for view in (found.view for found in result.report.views if "," not in found.view.name):
        scores = result.joined.rows[f"p_{view.head}"].to_numpy(dtype=np.float64)
        mask = view.mask & ~np.isnan(scores)
        if mask.any():
            scored[view.name] = (scores[mask], view.labels[mask])
    return scored


def _draw_heat_maps(results: Sequence[PartResult], protocol: Protocol, folder: Path) -> None:
    for metric, title, high in (("auc", "AUC", True), ("fpr", "FPR at the shipped threshold", False)):
        values: dict[str, list[float]] = {}
        clean = float("nan")
        for result in results:
            measured = result.report.measured("file")
            value = measured.estimates[metric].value if measured else float("nan")
            if result.part.name.endswith("none"):
                clean = value
            else:
                values.setdefault(result.part.name.rsplit(" ", 1)[0], []).append(value)
        levels = {name: protocol.perturbations[name.rpartition(": ")[2]] for name in values}
        values = {f"{name} ({levels[name][0]:g} to {levels[name][-1]:g})": line for name, line in values.items()}
        figures.save_heat_map(values, clean, f"{protocol.title}: {title}", f"robustness_{metric}", folder, high)
