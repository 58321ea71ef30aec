# SPDX-License-Identifier: Apache-2.0
"""Reports as Markdown, CSV and LaTeX hold the same figures."""

from __future__ import annotations

import csv
import io
import math

from cad.evaluation.formats import CSV_COLUMNS, FORMATS, as_csv, as_latex, as_markdown
from cad.evaluation.tables import Document, Table
from cad.metrics.bootstrap import Estimate

DOCUMENT = Document(
    "A & B",
    ["100 % of rows_x."],
    [
        Table("By method", ["method", "AUC", "rows"], [["wav2lip_#1", Estimate(0.91234567, 0.8, 0.95), "3 / 4"]]),
        Table("", ["kind|x", "AUC"], [["none", Estimate(math.nan)], ["one", Estimate(1.0)]], "A note."),
        Table("Problems", ["problem", "rows"], [], "None."),
    ],
)


def test_markdown():
    assert as_markdown(DOCUMENT) == (
        "# A & B\n\n100 % of rows_x.\n\n## By method\n\n"
        "| method | AUC | rows |\n|---|---|---|\n| wav2lip_#1 | 0.912 [0.800, 0.950] | 3 / 4 |\n\n"
        "| kind\\|x | AUC |\n|---|---|\n| none | - |\n| one | 1.000 |\n\nA note.\n\n## Problems\n\nNone.\n"
    )


def test_csv_has_a_line_a_figure_with_all_its_digits():
    rows = list(csv.reader(io.StringIO(as_csv(DOCUMENT))))
    assert rows == [
        list(CSV_COLUMNS),
        ["By method", "wav2lip_#1", "AUC", "0.912346", "0.800000", "0.950000"],
        ["By method", "wav2lip_#1", "rows", "3 / 4", "", ""],
        ["By method (2)", "none", "AUC", "", "", ""],
        ["By method (2)", "one", "AUC", "1.000000", "", ""],
    ]


def test_latex_is_escaped_and_in_the_style_of_booktabs():
    text = as_latex(DOCUMENT)
    assert r"wav2lip\_\#1 & 0.912 {\scriptsize [0.800, 0.950]} & 3 / 4 \\" in text
    assert r"\caption{A \& B: By method}" in text and r"kind\textbar{}x & AUC \\" in text and "none & -- \\\\" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2  # a table without lines is none
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    assert "% 100 % of rows_x." in text
    for line in text.splitlines():  # outside comments no bare sign that ends or opens something
        bare = line.replace(r"\&", "").replace(r"\%", "").replace(r"\_", "").replace(r"\#", "")
        assert line.startswith("%") or not {"%", "_", "#"} & set(bare.removesuffix("{!}{%"))


def test_every_sign_of_latex_is_escaped():
    line = Table("T", ["a", "b"], [["x", "\\&%$#_{}~^<>|"]])
    assert (
        r"x & \textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{} \\"
        in as_latex(Document("D", [], [line]))
    )


def test_wide_tables_are_made_as_narrow_as_the_line():
    wide = Table("W", [f"h{i}" for i in range(9)], [["x"] * 9])
    text = as_latex(Document("D", [], [wide]))
    assert "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}{lrrrrrrrr}" in text and "\\end{tabular}}\n" in text


def test_every_format_has_every_figure():
    for write in FORMATS.values():
        assert "0.91" in write(DOCUMENT) and "1.000" in write(DOCUMENT)
