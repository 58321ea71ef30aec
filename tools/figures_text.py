# SPDX-License-Identifier: Apache-2.0
"""The README's figures as text, from the files that tools/evaluate.py and tools/audit_shortcuts.py wrote.

Used by tools/fill_readme.py. Figures of other weights, or an audit of other scores than those of the report, are
refused: nothing stands side by side that was not measured together.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cad.evaluation.shortcuts.beside import VIEWS, Beside, beside_markdown, nearest_text
from cad.evaluation.tables import HEADINGS, estimate_from_json, markdown_table

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("fpr", "tpr", "auc", "eer", "ece", "ece_balanced")
#: Protocol -> the view and the figure of each part that the README shows, and what it is called there.
OF_PROTOCOL = {
    "desync": ("sync head", "auc", "AUC of the sync head, shifted or dubbed against in step"),
    "reencoded": ("file", "fpr", "genuine clips with a picture called fake"),
}
LOCALISED = ("AP@0.5", "AR@10")


def figures_text(report: Path, audit: Path | None = None, further: Sequence[Path] = ()) -> str:
    """Return the section as Markdown.

    Args:
        report: Folder of a report by the protocol ``manifest``.
        audit: JSON of tools/audit_shortcuts.py with the scores of the same run; its first detector is ours.
        further: Folders of reports by other protocols with the same weights.

    Raises:
        ValueError: Files do not belong together, or are not what they should be.
    """
    document = read_report(report)
    weights, split = weights_of(document), split_of(document)
    first = document["parts"][0]["views"][0]
    counts = f"{first['measured']['reals']} real and {first['measured']['fakes']} fake"
    parts = [
        f"`{weights.split()[0]}` on `{split}`, {first['rows']} rows: {counts} with a score, "
        f"{first['measured']['identities']} people or voices.",
        views_table(document),
        f"By `python tools/evaluate.py --manifest MANIFEST --split {split}`; brackets hold 95 % over identities. "
        f"`file` is the product's answer. The whole report, by method and source, is in {link(report / 'report.md')}.",
    ]
    if audit is not None:
        parts += audit_parts(audit, first["measured"]["metrics"]["auc"]["value"])
    others = [read_report(folder) for folder in further]
    for folder, other in zip(further, others, strict=True):
        if weights_of(other) != weights:
            raise ValueError(f"{folder} was measured with {weights_of(other)}, {report} with {weights}")
    if others:
        lines = [line for other in others for line in protocol_lines(other)]
        headings = ["what", "real / fake", "measured", "by"]
        parts += ["The same weights by other protocols:", markdown_table(headings, lines)]
    return "\n\n".join(parts)


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report in a folder."""
    document: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if not document["parts"] or not document["parts"][0]["views"] or not document["parts"][0]["views"][0]["measured"]:
        raise ValueError(f"{folder}: nothing is measured in this report")
    return document


def weights_of(document: Mapping[str, Any]) -> str:
    """Return names and hashes of the weights that a report was measured with."""
    return _fact(document, r"Weights: `([^`]+)`")


def split_of(document: Mapping[str, Any]) -> str:
    """Return the split that a report is of."""
    return _fact(document, r"Split: `([^`]+)`")


def views_table(document: Mapping[str, Any]) -> str:
    """Return the figures of every view with both classes."""
    lines = []
    for view in document["parts"][0]["views"]:
        measured = view["measured"]
        if measured:
            figures = [estimate_from_json(measured["metrics"][name]).text() for name in SHOWN]
            lines.append([view["name"], f"{measured['reals']} / {measured['fakes']}", *figures])
    return markdown_table(["score", "real / fake", *(HEADINGS[name] for name in SHOWN)], lines)


def audit_parts(audit: Path, auc: float) -> list[str]:
    """Return the table of the controls beside ours, and what it is.

    Args:
        audit: JSON of tools/audit_shortcuts.py.
        auc: Of the report's first view; the audit must have been given the same scores.
    """
    document = json.loads(audit.read_text(encoding="utf-8"))
    if not document["detectors"]:
        raise ValueError(f"{audit} has no detector beside the controls; give --scores to tools/audit_shortcuts.py")
    name = document["detectors"][0]
    own = document["measured"][name][next(iter(VIEWS))]["auc"]["value"]
    if not math.isclose(own, auc, abs_tol=2e-6):
        raise ValueError(f"{audit} has AUC {own} for {name}, the report {auc}: they are of different scores")
    kept = {"control", "detector", "view", "reals", "fakes"}
    found = [
        Beside(**{key: value if key in kept else estimate_from_json(value) for key, value in item.items()})
        for item in document["beside"]
    ]
    return [
        "What the data itself gives away: controls that see no more than their name says, and ours on exactly the rows "
        "that each of them scored. Our figure means only what lies above theirs.",
        beside_markdown(found, name),
        f"{nearest_text(found, name)} By `python tools/audit_shortcuts.py`; "
        f"{link(audit.with_suffix('.md'))} has the whole.",
    ]


def protocol_lines(document: Mapping[str, Any]) -> list[list[str]]:
    """Return a line for each part of a report by another protocol."""
    protocol, lines = document["protocol"], []
    by = f"`--protocol {protocol}`"
    for part in document["parts"]:
        views = {view["name"]: view for view in part["views"]}
        if part["localisation"]:
            measured = views["file"]["measured"]
            text = ", ".join(f"{name} {estimate_from_json(part['localisation'][name]).text()}" for name in LOCALISED)
            what = f"forged stretches found, {part['name']}"
        else:
            view, metric, title = OF_PROTOCOL.get(protocol, ("file", "auc", "AUC of the file's answer"))
            measured = views[view]["measured"] if view in views else None
            text = estimate_from_json(measured["metrics"][metric]).text() if measured else "-"
            if part.get("offsets"):
                within = next(iter(part["offsets"]))
                text += f"; offset {within}: {estimate_from_json(part['offsets'][within]).text()}"
            what = f"{title}: {part['name']}"
        counts = f"{measured['reals']} / {measured['fakes']}" if measured else "0 / 0"
        lines.append([what, counts, text, by])
    return lines


def link(file: Path) -> str:
    """Return a link from the README to a file of the repository, or the file's name where it is none."""
    place = file.resolve()
    if not (place.is_relative_to(ROOT) and place.is_file()):
        return f"`{file.name}`"
    name = place.relative_to(ROOT).as_posix()
    return f"[{name}]({name})"


def _fact(document: Mapping[str, Any], pattern: str) -> str:
    found = re.search(pattern, " ".join(document["facts"]))
    if found is None:
        raise ValueError(f"the report of {document['protocol']} does not say its weights and split")
    return found[1]
