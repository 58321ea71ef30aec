# SPDX-License-Identifier: Apache-2.0
"""Fill the parts of the README that are measured: nothing between its markers is typed by hand.

    python tools/release/fill_readme.py example                       # runs cad-detect on the example files
    python tools/release/fill_readme.py figures --report docs/evaluation/val \\
        --audit docs/evaluation/shortcuts_val.json --further docs/evaluation/reencoded docs/evaluation/val_notes.md

--report and --further are folders of tools/evaluate.py, --audit is what audit_shortcuts.py wrote; Markdown files
follow them. A file may have several tables and text; headings are made fit for their place. Figures of other weights
and an audit of other scores than those of the report are refused: only what was measured together stands side by side.
The tables of reliability are filled by reliability_table.py.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cad.command import run_command
from cad.errors import DataError
from cad.evaluation.shortcut_baselines.versus_baselines import nearest_text, versus_markdown
from cad.evaluation.stored_reports import StoredReport, read_audit, read_reports
from cad.evaluation.tables import HEADINGS, estimate_from_json, markdown_table

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
EXAMPLE = "cad-detect tests/data/astronaut_fake.mp4 tests/data/astronaut.jpg"
SHOWN = ("fpr", "tpr", "auc", "eer", "ece", "ece_balanced")
#: Protocol -> the view and the figure of each part that the README shows, and what it is called there.
OF_PROTOCOL = {
    "desync": ("sync head", "auc", "AUC of the sync head, shifted or dubbed against in step"),
    "reencoded": ("file", "fpr", "genuine clips with a picture called fake"),
}
LOCALISED = ("AP@0.5", "AR@10")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", choices=("example", "figures"))
    parser.add_argument("table", type=Path, nargs="*", help="Markdown files, one after the other")
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--report", type=Path, help="figures: folder of the report on the manifest")
    parser.add_argument("--audit", type=Path, help="figures: JSON of the shortcut audit of the same scores")
    parser.add_argument("--further", type=Path, action="append", default=[], help="figures: another protocol's report")
    options = parser.parse_intermixed_args(arguments)
    if (options.section == "example") == bool(options.table or options.report):
        parser.error("example takes no file; figures take at least one")
    if (options.audit or options.further) and not options.report:
        parser.error("--audit and --further stand beside a --report")
    return run_command(lambda: fill_file(options), "fill_readme")


def fill_file(options: argparse.Namespace) -> int:
    """Fill the section of the file."""
    content = examples() if options.section == "example" else tables(options.table)
    if options.report:
        content = f"{figures_text(options.report, options.audit, options.further)}\n\n{content}".strip()
    text = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(fill(text, options.section, content), encoding="utf-8")
    return 0


def fill(text: str, section: str, content: str) -> str:
    """Return ``text`` with ``content`` between the markers of a section.

    Raises:
        DataError: The markers are not there, each once.
    """
    pattern = re.compile(rf"(<!-- {section}:start -->\n).*?(<!-- {section}:end -->)", re.DOTALL)
    filled, count = pattern.subn(lambda found: f"{found[1]}{content.strip()}\n{found[2]}", text)
    if count != 1:
        raise DataError(f"the markers of {section} occur {count} times; they must occur once")
    return filled


def examples() -> str:
    """Return the command on the example files and its output, as a block."""
    _, *arguments = EXAMPLE.split()
    done = subprocess.run([sys.executable, "-m", "cad.cli", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"{EXAMPLE} ended with {done.returncode}: {done.stderr}")
    return f"```console\n$ {EXAMPLE}\n{done.stdout.rstrip()}\n```"


def tables(paths: list[Path]) -> str:
    """Return the files' text with headings of the third level or lower."""
    text = "\n\n".join(path.read_text(encoding="utf-8").strip() for path in paths)
    return re.sub(r"^#{1,2} ", "### ", text, flags=re.MULTILINE)


def figures_text(report: Path, audit: Path | None = None, further: Sequence[Path] = ()) -> str:
    """Return the section as Markdown.

    Args:
        report: Folder of a report by the protocol ``manifest``.
        audit: JSON of audit_shortcuts.py with the scores of the same run; its first detector is ours.
        further: Folders of reports by other protocols with the same weights.

    Raises:
        DataError: Files do not belong together, or are not what they should be.
    """
    ours, *others = read_reports(report, *further)
    views = next(iter(ours.parts.values()))["views"]
    first = views[0]
    counts = f"{first['measured']['reals']} real and {first['measured']['fakes']} fake"
    parts = [
        f"`{ours.weights.split()[0]}` on `{ours.split}`, {first['rows']} rows: {counts} with a score, "
        f"{first['measured']['identities']} people or voices.",
        views_table(views),
        f"By `python tools/evaluate.py --manifest MANIFEST --split {ours.split}`; brackets hold 95 % over identities. "
        f"`file` is the product's answer. The whole report, by method and source, is in {link(report / 'report.md')}.",
    ]
    if audit is not None:
        parts += audit_parts(audit, ours)
    if others:
        lines = [line for other in others for line in protocol_lines(other)]
        headings = ["what", "real / fake", "measured", "by"]
        parts += ["The same weights by other protocols:", markdown_table(headings, lines)]
    return "\n\n".join(parts)


def views_table(views: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures of every view with both classes."""
    lines = []
    for view in views:
        measured = view["measured"]
        if measured:
            figures = [estimate_from_json(measured["metrics"][name]).text() for name in SHOWN]
            lines.append([view["name"], f"{measured['reals']} / {measured['fakes']}", *figures])
    return markdown_table(["score", "real / fake", *(HEADINGS[name] for name in SHOWN)], lines)


def audit_parts(audit: Path, report: StoredReport) -> list[str]:
    """Return the table of the baselines beside ours, and what it is."""
    name, found = read_audit(audit, report)
    return [
        "What the data itself gives away: controls that see no more than their name says, and ours on exactly the rows "
        "that each of them scored. Our figure means only what lies above theirs.",
        versus_markdown(found, name),
        f"{nearest_text(found, name)} By `python tools/release/audit_shortcuts.py`; "
        f"{link(audit.with_suffix('.md'))} has the whole.",
    ]


def protocol_lines(report: StoredReport) -> list[list[str]]:
    """Return a line for each part of a report by another protocol."""
    lines = []
    for name, part in report.parts.items():
        views = {view["name"]: view for view in part["views"]}
        if part["localisation"]:
            measured = views["file"]["measured"]
            found = {metric: estimate_from_json(part["localisation"][metric]) for metric in LOCALISED}
            text = ", ".join(f"{metric} {estimate.text()}" for metric, estimate in found.items())
            what = f"forged stretches found, {name}"
        else:
            view, metric, title = OF_PROTOCOL.get(report.protocol, ("file", "auc", "AUC of the file's answer"))
            measured = views[view]["measured"] if view in views else None
            text = estimate_from_json(measured["metrics"][metric]).text() if measured else "-"
            if part.get("offsets"):
                within = next(iter(part["offsets"]))
                text += f"; offset {within}: {estimate_from_json(part['offsets'][within]).text()}"
            what = f"{title}: {name}"
        counts = f"{measured['reals']} / {measured['fakes']}" if measured else "0 / 0"
        lines.append([what, counts, text, f"`--protocol {report.protocol}`"])
    return lines


def link(file: Path) -> str:
    """Return a link from the README to a file of the repository, or the file's name where it is none."""
    place = file.resolve()
    if not (place.is_relative_to(ROOT) and place.is_file()):
        return f"`{file.name}`"
    name = place.relative_to(ROOT).as_posix()
    return f"[{name}]({name})"


if __name__ == "__main__":
    sys.exit(main())
