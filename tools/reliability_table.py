# SPDX-License-Identifier: Apache-2.0
"""Fill the reliability tables of README.md and SECURITY.md from figures: ``python tools/reliability_table.py``.

The figures are the JSON files in docs/reliability, each written by a committed tool; a file that is not there gives no
row, and nothing is typed by hand. With --check nothing is written, and the exit status is 1 if a document is out of
date.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "reliability"
START, END = "<!-- reliability:start -->", "<!-- reliability:end -->"
Figures = dict[str, Any]
Row = tuple[str, str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill or check the documents and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    stale = []
    for document, text in (("README.md", table(rows())), ("SECURITY.md", table(fuzz_rows(load("fuzz"))))):
        path = ROOT / document
        old = path.read_text(encoding="utf-8")
        new = fill(old, text)
        if new != old:
            stale.append(document)
            if not chosen.check:
                path.write_text(new, encoding="utf-8")
    print(f"{'out of date' if chosen.check else 'filled'}: {', '.join(stale) or 'none'}")
    return 1 if chosen.check and stale else 0


def fill(document: str, text: str) -> str:
    """Return the document with ``text`` between its markers.

    Raises:
        ValueError: The markers are not there.
    """
    start, end = document.find(START), document.find(END)
    if start < 0 or end < start:
        raise ValueError(f"the document has no {START} followed by {END}")
    return f"{document[: start + len(START)]}\n{text}{document[end:]}"


def rows() -> list[Row]:
    """Return all rows for which there are figures."""
    makers: dict[str, Callable[[Figures], list[Row]]] = {
        "formats": format_rows,
        "damage": damage_rows,
        "fuzz": fuzz_rows,
        "read_memory": memory_rows,
        "decode": decode_rows,
        "face_net": face_rows,
        "faces": face_speed_rows,
    }
    return [row for name, maker in makers.items() for row in maker(face_net() if name == "face_net" else load(name))]


def face_net() -> Figures:
    """Return the figures in the manifest of the face net's weights, if it has any."""
    for path in sorted((ROOT / "cad" / "weights").glob("*/manifest.json")):
        figures: Figures = json.loads(path.read_text(encoding="utf-8")).get("figures") or {}
        if "finder" in figures:
            return figures
    return {}


def load(name: str) -> Figures:
    path = FIGURES / f"{name}.json"
    if not path.is_file():
        return {}
    figures: Figures = json.loads(path.read_text(encoding="utf-8"))
    return figures


def table(lines: list[Row]) -> str:
    if not lines:
        return ""
    head = "| what | measured | by |\n|---|---|---|\n"
    return head + "".join(f"| {what} | {value} | `{tool}` |\n" for what, value, tool in lines)


def format_rows(figures: Figures) -> list[Row]:
    if not figures:
        return []
    tool = "tools/bench.py formats"
    kept = figures["combinations"] - len(figures["avi_with_priming"]) - len(figures["beyond_bar"])
    total = figures["combinations"] - len(figures["avi_with_priming"])
    bar = figures["bar_seconds"] * 1000
    found = [
        (
            "flash and beep together, container x picture codec x sound codec",
            f"{kept} of {total} within {bar:.0f} ms, worst {figures['worst_seconds'] * 1000:.1f} ms",
            tool,
        )
    ]
    if figures["avi_with_priming"]:
        worst = max(figures["avi_with_priming"].values()) * 1000
        found.append(
            ("the same for MP3 and AAC in AVI, which drops the encoder's priming", f"worst {worst:.1f} ms", tool)
        )
    return found


def damage_rows(figures: Figures) -> list[Row]:
    return [(row["file"], row["result"], "tools/bench.py damage") for row in figures.get("rows", [])]


def fuzz_rows(figures: Figures) -> list[Row]:
    if not figures:
        return []
    outcomes = ", ".join(f"{name} {number}" for name, number in figures["outcomes"].items())
    untyped = len(figures["untyped"])
    dead = figures["mutations"] - sum(figures["outcomes"].values()) - untyped
    forbidden = (
        f"{dead} dead parents, {figures['hangs']} hangs, {untyped} untyped errors, "
        f"{figures['leaked_processes']} processes, {figures['leaked_descriptors']} descriptors and "
        f"{figures['leaked_files']} files left behind"
    )
    what = f"{figures['mutations']} damaged files from {figures['seeds']} seeds ({figures['date']})"
    tool = "tools/fuzz_media.py"
    return [
        (what, forbidden, tool),
        ("their outcomes", outcomes, tool),
        ("longest and median time for one of them", _times(figures), tool),
    ]


def _times(figures: Figures) -> str:
    return f"{figures['slowest_seconds']} s and {figures['median_seconds']} s ({figures['machine']})"


def memory_rows(figures: Figures) -> list[Row]:
    if not figures:
        return []
    what = f"peak memory, {figures['seconds']} s of {figures['size']}, reader and decoder together"
    return [(what, f"{figures['sum_mib']} MiB (bar {figures['bar_mib']})", "tools/bench.py read_memory")]


def decode_rows(figures: Figures) -> list[Row]:
    if not figures:
        return []
    value = f"{figures['processor_ratio']} times the processor time"
    if figures["load_average"] <= figures["cores"]:  # on a busy machine wall-clock time says nothing
        value += f", {figures['wall_ratio']} times the wall-clock time"
    where = f"{figures['cores']} cores, load {figures['load_average']}"
    return [
        ("reading 720p through the decoding process, against bare PyAV", f"{value} ({where})", "tools/bench.py decode")
    ]


def face_rows(figures: Figures) -> list[Row]:
    """Return the bars of the face net, which tools/evaluate_face_net.py keeps beside the weights."""
    if not figures:
        return []
    finder, tool = figures["finder"], "tools/evaluate_face_net.py"
    return [
        (
            "faces of 40 px and more that the teacher finds, found too",
            f"{finder['recall']:.1%} of {finder['faces']}",
            tool,
        ),
        ("their five points, off the teacher's", f"{finder['point_error_mean']:.1%} of the eye distance", tool),
        ("false boxes in 200 pictures without a face", f"{figures['false_boxes_per_200']:.2f}", tool),
    ]


def face_speed_rows(figures: Figures) -> list[Row]:
    if not figures:
        return []
    value = f"{figures['share_of_decoding']:.2f} times the processor time (bar {figures['bar']})"
    return [("finding and following faces, against decoding the same file", value, "tools/bench.py faces")]


if __name__ == "__main__":
    raise SystemExit(main())
