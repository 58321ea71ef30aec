# SPDX-License-Identifier: Apache-2.0
"""Fill the parts of the README that are measured: nothing between its markers is typed by hand.

    python tools/release/fill_readme.py example                       # runs cad-detect on the example files
    python tools/release/fill_readme.py figures --report docs/evaluation/val \\
        --audit docs/evaluation/shortcuts_val.json --further docs/evaluation/reencoded docs/evaluation/val_notes.md

--report and --further are folders of tools/evaluate.py, --audit is what audit_shortcuts.py wrote; Markdown files
follow them. A file may have several tables and text; headings are made fit for their place. The tables of reliability
are filled by reliability_table.py.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from figures_text import ROOT, figures_text

from cad.command import run_command
from cad.errors import DataError

README = ROOT / "README.md"
EXAMPLE = "cad-detect tests/data/astronaut_fake.mp4 tests/data/astronaut.jpg"


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


if __name__ == "__main__":
    sys.exit(main())
