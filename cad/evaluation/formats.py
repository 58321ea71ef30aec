# SPDX-License-Identifier: Apache-2.0
"""Writes a report as Markdown, as CSV for programs, or as LaTeX tables for a paper."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from cad.evaluation.tables import Cell, Document, Table, cell_text, markdown_table

#: Of a CSV file: one line a figure, so that tables with other columns stand in one file.
CSV_COLUMNS = ("table", "line", "column", "value", "low", "high")
#: Tables with more columns are made as narrow as the line in LaTeX.
WIDE_COLUMNS = 8
LATEX_HEAD = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}."
_LATEX_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
}  # fmt: skip


def as_markdown(document: Document) -> str:
    """Return a report as Markdown."""
    parts = [f"# {document.title}", *document.facts]
    for table in document.tables:
        parts += [f"## {table.title}"] if table.title else []
        parts += [markdown_table(table.headings, table.lines)] if table.lines else []
        parts += [table.note] if table.note else []
    return "\n\n".join(parts) + "\n"


def as_csv(document: Document) -> str:
    """Return the tables of a report as CSV with ``CSV_COLUMNS``; a figure that is not defined is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for title, table in _titled(document):
        for line in table.lines:
            for heading, cell in zip(table.headings[1:], line[1:], strict=True):
                writer.writerow([title, cell_text(line[0]), heading, *_csv_values(cell)])
    return stream.getvalue()


def as_latex(document: Document) -> str:
    """Return the tables of a report as LaTeX tables in the style of booktabs, the facts as comments."""
    facts = [f"% {line}" for fact in document.facts for line in fact.splitlines()]
    tables = [_latex_table(f"{document.title}: {title}", table) for title, table in _titled(document) if table.lines]
    return "\n".join([LATEX_HEAD, f"% {document.title}", *facts, *tables]) + "\n"


#: What writes a report, by the format's name.
FORMATS: Mapping[str, Callable[[Document], str]] = {"md": as_markdown, "csv": as_csv, "latex": as_latex}


def latex_text(text: str) -> str:
    r"""Return ``text`` with the signs escaped that mean something to LaTeX.

    Example:
        >>> print(latex_text("wav2lip & rtvc_2: 5 %"))
        wav2lip \& rtvc\_2: 5 \%
    """
    return "".join(_LATEX_SIGNS.get(sign, sign) for sign in text)


def _titled(document: Document) -> Iterator[tuple[str, Table]]:
    """Yield the tables with their titles; one without a title has that of the table before, and its number."""
    title, number = "", 1
    for table in document.tables:
        title, number = (table.title, 1) if table.title else (title, number + 1)
        yield (title if number == 1 else f"{title} ({number})"), table


def _csv_values(cell: Cell) -> list[str]:
    if isinstance(cell, str):
        return [cell, "", ""]
    return ["" if math.isnan(value) else f"{value:.6f}" for value in (cell.value, cell.low, cell.high)]


def _latex_table(caption: str, table: Table) -> str:
    rows = [_latex_row(line) for line in table.lines]
    body = [
        rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
        r"\toprule",
        _latex_row(table.headings),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if len(table.headings) > WIDE_COLUMNS:
        body = [r"\resizebox{\linewidth}{!}{%", *body[:-1], body[-1] + "}"]
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(caption)}}}", *body, r"\end{table}"]
    return "\n".join(["", *lines])


def _latex_row(cells: Sequence[Cell]) -> str:
    return " & ".join(_latex_cell(cell) for cell in cells) + r" \\"


def _latex_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return latex_text(cell)
    if math.isnan(cell.value):
        return "--"
    interval = "" if math.isnan(cell.low) else rf" {{\scriptsize [{cell.low:.3f}, {cell.high:.3f}]}}"
    return f"{cell.value:.3f}{interval}"
