# SPDX-License-Identifier: Apache-2.0
"""Fill the reliability tables of README.md and SECURITY.md from figures: ``python tools/release/reliability_table.py``.

The figures are the JSON files in docs/reliability, each written by a committed tool; a file that is not there gives no
row, and nothing is typed by hand. With --check nothing is written, and the exit status is 1 if a document is out of
date.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fill_readme import ROOT, fill

from cad.command import run_command
from cad.evaluation.tables import markdown_table
from cad.weights.registry import list_entries

FIGURES = ROOT / "docs" / "reliability"
Figures = dict[str, Any]
Row = tuple[str, str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill or check the documents and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    return run_command(lambda: fill_documents(options.check), "reliability_table")


def fill_documents(only_check: bool) -> int:
    """Fill or check the documents and return the exit status."""
    stale = []
    makers: list[tuple[str, str, Callable[[], str]]] = [
        ("README.md", "reliability", lambda: table([row for name in MAKERS for row in rows_of(name, load(name))])),
        ("SECURITY.md", "reliability", lambda: table(rows_of("fuzz", load("fuzz")))),
        ("docs/reliability/README.md", "odd", odd_table),
        ("docs/reliability/README.md", "resources", lambda: resource_table(load("resources"))),
        ("docs/reliability/README.md", "long_sounds", lambda: long_sound_table(load("long_sounds"))),
        ("docs/reliability/README.md", "soak", lambda: table(rows_of("soak", load("soak")))),
    ]
    for document, mark, make in makers:
        path = ROOT / document
        old = path.read_text(encoding="utf-8")
        new = fill(old, mark, make())
        if new != old:
            stale.append(document)
            if not only_check:
                path.write_text(new, encoding="utf-8")
    print(f"{'out of date' if only_check else 'filled'}: {', '.join(stale) or 'none'}")
    return 1 if only_check and stale else 0


def rows_of(name: str, figures: Figures) -> list[Row]:
    """Return the rows of one kind of figures, none if there are no figures."""
    return MAKERS[name](figures) if figures else []


def load(name: str) -> Figures:
    """Return the figures of one kind; those of the face net stand in the manifest of its weights."""
    if name == "face_net":
        kept = (entry.manifest.get("figures") or {} for entry in list_entries("face"))
        return next((figures for figures in kept if "finder" in figures), {})
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def table(lines: list[Row]) -> str:
    """Return the table."""
    return markdown_table(["what", "measured", "by"], [(what, value, f"`{tool}`") for what, value, tool in lines])


def format_rows(figures: Figures) -> list[Row]:
    tool = "tools/bench.py formats"
    kept = figures["combinations"] - len(figures["avi_with_priming"]) - len(figures["beyond_bar"])
    total = figures["combinations"] - len(figures["avi_with_priming"])
    bar = figures["bar_seconds"] * 1000
    value = f"{kept} of {total} within {bar:.0f} ms, worst {figures['worst_seconds'] * 1000:.1f} ms"
    found = [("flash and beep together, container x picture codec x sound codec", value, tool)]
    if figures["avi_with_priming"]:
        worst = f"worst {max(figures['avi_with_priming'].values()) * 1000:.1f} ms"
        found.append(("the same for MP3 and AAC in AVI, which drops the encoder's priming", worst, tool))
    return found


def damage_rows(figures: Figures) -> list[Row]:
    return [(row["file"], row["result"], "tools/bench.py damage") for row in figures["rows"]]


def fuzz_rows(figures: Figures) -> list[Row]:
    outcomes = ", ".join(f"{name} {number}" for name, number in figures["outcomes"].items())
    untyped = len(figures["untyped"])
    dead = figures["mutations"] - sum(figures["outcomes"].values()) - untyped
    forbidden = (
        f"{dead} dead parents, {figures['hangs']} hangs, {untyped} untyped errors, "
        f"{figures['leaked_processes']} processes, {figures['leaked_descriptors']} descriptors and "
        f"{figures['leaked_files']} files left behind"
    )
    times = f"{figures['slowest_seconds']} s and {figures['median_seconds']} s ({figures['machine']})"
    what = f"{figures['mutations']} damaged files from {figures['seeds']} seeds ({figures['date']})"
    tool = "tools/bench.py fuzz_media"
    return [
        (what, forbidden, tool),
        ("their outcomes", outcomes, tool),
        ("longest and median time for one of them", times, tool),
    ]


def odd_rows(figures: Figures, tool: str, done: str) -> list[Row]:
    """Return how many odd files were read or judged wrongly."""
    what = f"{figures['files']} files that are valid but odd, {done} ({figures['date']})"
    return [(what, f"{figures['wrong']} wrong (docs/reliability/README.md)", f"tools/bench.py {tool}")]


def odd_table() -> str:
    """Return how many odd files were read or judged wrongly, by what is odd about them."""
    rows = [
        [f"all that were {done}", str(figures["files"]), str(figures["wrong"]), f"`tools/bench.py {name}`"]
        if kind is None
        else [kind, str(figures["kinds"][kind]["files"]), str(figures["kinds"][kind]["wrong"]), ""]
        for name, done in (("odd_media", "read"), ("odd_verdicts", "judged"))
        if (figures := load(name))
        for kind in (None, *figures["kinds"])
    ]
    return markdown_table(["what is odd", "files", "wrong", "by"], rows)


def resource_rows(figures: Figures) -> list[Row]:
    """Return what small files of extreme headers cost at most."""
    every = figures["all"]
    what = f"{every['files']} small files of valid but extreme headers ({figures['date']})"
    value = (
        f"{every['beyond_a_bound']} beyond a bound; at most {every['parent_mib']} MiB "
        f"(bound {figures['parent_bound_mib']}), {every['child_mib']} MiB in the decoding process (bound "
        f"{figures['child_bound_mib']}), {every['seconds']} s (bound {figures['time_bound_seconds']:.0f})"
    )
    return [(what, f"{value} (docs/reliability/README.md)", "tools/bench.py fuzz_resources")]


def resource_table(figures: Figures) -> str:
    """Return what files of extreme headers cost at most, by kind."""
    head = ["kind", "files", "beyond a bound", "MiB", "MiB, decoding", "seconds", "median", "outcomes"]
    rows = [
        [
            kind,
            *(str(row[name]) for name in ("files", "beyond_a_bound", "parent_mib", "child_mib", "seconds")),
            str(row["median_seconds"]),
            ", ".join(f"{name} {number}" for name, number in row["outcomes"].items()),
        ]
        for kind, row in {**figures.get("kinds", {}), "all": figures.get("all")}.items()
        if row
    ]
    return markdown_table(head, rows)


def long_sound_table(figures: Figures) -> str:
    """Return what hours of sound cost, by kind."""
    head = ["file", "hours", "KiB", "speech", "windows", "MiB", "MiB, decoding", "processor s", "s (load)", "outcome"]
    rows = [
        [
            kind,
            f"{row['hours']:g}",
            str(row["file_kib"]),
            "" if row["speech_share"] is None else f"{row['speech_share']:.1%}",
            *(str(row[name]) for name in ("windows", "parent_mib", "child_mib")),
            f"{row['processor_seconds']:.0f}",
            f"{row['wall_seconds']:.0f} ({row['load_average']:.0f})",
            f"{row['label'] or 'no verdict'}, {row['outcome']}",
        ]
        for kind, row in figures.get("kinds", {}).items()
    ]
    return markdown_table(head, rows)


def soak_rows(figures: Figures) -> list[Row]:
    """Return what grows while thousands of files are judged, and whose verdicts differ."""
    rises, tool = dict(figures["rise_per_1000_files"]), "tools/bench.py soak"
    resident = rises.pop("resident_mib")
    counted = ", ".join(f"{name.replace('_', ' ')} {rise:g}" for name, rise in rises.items())
    what = f"one Detector, {figures['files']} good and bad files in {figures['seconds'] / 60:.0f} minutes"
    memory = f"{resident:g} MiB (bound {figures['bound_mib_per_1000_files']:g})"
    memory += f", {figures['last']['resident_mib']:.0f} MiB at the end"
    crowd = f"{figures['processes']} processes and {figures['threads']} threads at once"
    different = f"{len(figures['different'])} of {figures['kinds_of_files']}"
    return [
        (f"{what} ({figures['date']}): rise of resident memory in 1,000 files", memory, tool),
        ("rise of what is counted in 1,000 files", counted, tool),
        (f"{crowd}: files of which they say anything else than one alone", different, tool),
    ]


def memory_rows(figures: Figures) -> list[Row]:
    what = f"peak memory, {figures['seconds']} s of {figures['size']}, reader and decoder together"
    return [(what, f"{figures['sum_mib']} MiB (bar {figures['bar_mib']})", "tools/bench.py read_memory")]


def decode_rows(figures: Figures) -> list[Row]:
    value = f"{figures['processor_ratio']} times the processor time"
    if figures["load_average"] <= figures["cores"]:  # on a busy machine wall-clock time says nothing
        value += f", {figures['wall_ratio']} times the wall-clock time"
    where = f"{figures['cores']} cores, load {figures['load_average']}"
    what = "reading 720p through the decoding process, against bare PyAV"
    return [(what, f"{value} ({where})", "tools/bench.py decode")]


def face_rows(figures: Figures) -> list[Row]:
    """Return the bars of the face net, which tools/training/evaluate_face_net.py keeps beside the weights."""
    finder, tool = figures["finder"], "tools/training/evaluate_face_net.py"
    recall = f"{finder['recall']:.1%} of {finder['faces']}"
    return [
        ("faces of 40 px and more that the teacher finds, found too", recall, tool),
        ("their five points, off the teacher's", f"{finder['point_error_mean']:.1%} of the eye distance", tool),
        ("false boxes in 200 pictures without a face", f"{figures['false_boxes_per_200']:.2f}", tool),
    ]


def face_speed_rows(figures: Figures) -> list[Row]:
    value = f"{figures['share_of_decoding']:.2f} times the processor time (bar {figures['bar']})"
    return [("finding and following faces, against decoding the same file", value, "tools/bench.py faces")]


MAKERS: Mapping[str, Callable[[Figures], list[Row]]] = {
    "formats": format_rows,
    "damage": damage_rows,
    "fuzz": fuzz_rows,
    "odd_media": partial(odd_rows, tool="odd_media", done="read"),
    "odd_verdicts": partial(odd_rows, tool="odd_verdicts", done="judged"),
    "resources": resource_rows,
    "soak": soak_rows,
    "read_memory": memory_rows,
    "decode": decode_rows,
    "face_net": face_rows,
    "faces": face_speed_rows,
}


if __name__ == "__main__":
    raise SystemExit(main())
