# SPDX-License-Identifier: Apache-2.0
"""The Markdown of tools/bench.py gpu: only what was measured, and *not measured* for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
MISSING = "not measured"
#: What belongs to the card, in the order of the columns; where there is no card, all of it stands as not measured.
ON_A_CARD = (
    ("onnxruntime cuda", "fp32"),
    ("onnxruntime cuda", "fp16"),
    ("onnxruntime tensorrt", "fp32"),
    ("onnxruntime tensorrt", "fp16"),
    ("torch eager", "fp32"),
    ("torch eager", "fp16"),
    ("torch.compile (inductor)", "fp32"),
    ("torch.compile (inductor)", "fp16"),
)
CARD_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def table(figures: Row) -> str:
    """Return the page for the figures of one run, whole or not."""
    rows: list[Row] = figures["rows"]
    parts = [heading(figures, rows), providers(rows), ceilings(figures, rows), parity(rows), throughput(figures, rows)]
    parts += [end_to_end(figures, rows), reasons(figures, rows)]
    return "\n".join("\n".join([*part, ""]) for part in map(list, parts) if part)


def of_part(rows: list[Row], part: str) -> list[Row]:
    return [row for row in rows if row["part"] == part]


def first(rows: list[Row], what: str) -> Row:
    return next((row for row in rows if row.get("what") == what), {})


def heading(figures: Row, rows: list[Row]) -> Iterator[str]:
    card, processor = first(rows, "card"), first(rows, "processor")
    yield "# The model on a card"
    yield ""
    if figures["rehearsal"]:
        yield "**A rehearsal: every way was walked, and no figure here means anything.**"
        yield ""
    memory = f", {card['memory_mib']} MiB" if "memory_mib" in card else ""
    yield f"- date: {figures['date']}; `{figures['model']}`; {figures['seconds']:.0f} s"
    yield f"- card: {card.get('name', f'{MISSING} (no CUDA device)')}{memory}"
    yield f"- processor: {processor.get('name', MISSING)}, {processor.get('cores', '?')} cores"
    versions = {name: value for name, value in first(rows, "versions").items() if name not in ("part", "what")}
    yield f"- versions: {', '.join(f'{name} {value}' for name, value in versions.items()) or MISSING}"


def providers(rows: list[Row]) -> Iterator[str]:
    yield "| asked for | runs on | to open, s |"
    yield "|---|---|---|"
    for row in of_part(rows, "machine"):
        if row["what"].startswith("device "):
            on = ", ".join(row.get("providers", [MISSING]))
            yield f"| {row['what'].removeprefix('device ')} | {on} | {figure(row, 'seconds')} |"


def ceilings(figures: Row, rows: list[Row]) -> Iterator[str]:
    whose = "card" if figures["device"] == "cuda" else "processor (the card: not measured)"
    yield f"| ceiling of the {whose} | measured |"
    yield "|---|---|"
    for row in of_part(rows, "ceilings"):
        unit = "TFLOP/s" if "tflops" in row else "GB/s"
        value = figure(row, "tflops" if "tflops" in row else "gb_per_second")
        yield f"| {row['what']} | {value}{'' if value == MISSING else f' {unit}'} |"


def parity(rows: list[Row]) -> Iterator[str]:
    yield "| against the CPU | worst difference | same label |"
    yield "|---|---|---|"
    for row in of_part(rows, "parity"):
        key = "worst_difference" if "worst_difference" in row else "worst_probability"
        labels = f"{row['same_label']} of {row['clips']}" if "same_label" in row else "-"
        yield f"| {row['what']} | {figure(row, key, '.2g')} | {labels} |"
    if half := first(rows, "fp16 against fp32"):
        yield f"| fp16 against fp32, one device | {figure(half, 'worst_difference', '.2g')} | - |"


def throughput(figures: Row, rows: list[Row]) -> Iterator[str]:
    timed = {(row["what"], row["precision"], row["batch"]): row for row in rows if "batch" in row}
    names = list(ON_A_CARD) if figures["device"] == "cuda" else []
    names += [key for key in dict.fromkeys((what, precision) for what, precision, _ in timed) if key not in names]
    batches = sorted({batch for _, _, batch in timed} | (set(CARD_BATCHES) if figures["device"] == "cuda" else set()))
    yield "Windows of two seconds per second, by batch; in brackets the share of the measured ceiling for products."
    yield ""
    yield f"| what | {' | '.join(map(str, batches))} |"
    yield f"|---|{'---|' * len(batches)}"
    for what, precision in names:
        cells = [
            rate(timed.get((what, precision, batch), {}), precision, rows, figures["rehearsal"]) for batch in batches
        ]
        yield f"| {what}, {precision} | {' | '.join(cells)} |"
    if figures["device"] != "cuda":
        for what, precision in ON_A_CARD:
            yield f"| {what}, {precision}, on a card | {' | '.join([MISSING] * len(batches))} |"


def rate(row: Row, precision: str, rows: list[Row], is_rehearsal: bool) -> str:
    if "windows_per_second" not in row:
        return MISSING
    if is_rehearsal:
        return format(row["windows_per_second"], ".3g")
    flops = next((one["flops_per_window"] for one in rows if "flops_per_window" in one), None)
    ceiling = first(of_part(rows, "ceilings"), f"matmul {precision}").get("tflops")
    share = f" ({100 * row['windows_per_second'] * flops / ceiling / 1e12:.0f} %)" if flops and ceiling else ""
    return f"{row['windows_per_second']:.3g}{share}"


def end_to_end(figures: Row, rows: list[Row]) -> Iterator[str]:
    yield "| from file to verdict, on | side by side | clips per second | bare decoding, clips per second |"
    yield "|---|---|---|---|"
    for row in of_part(rows, "end_to_end"):
        if "jobs" in row:
            bare = figure(row, "bare_decoding_clips_per_second")
            yield f"| {row['device']} | {row['jobs']} | {figure(row, 'clips_per_second')} | {bare} |"
    if figures["device"] != "cuda":
        yield f"| a card | - | {MISSING} | {MISSING} |"


def reasons(figures: Row, rows: list[Row]) -> Iterator[str]:
    """What is missing and why, each reason once."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if "not_measured" in row:
            name = " ".join(str(row[key]) for key in ("what", "precision") if key in row)
            names = found.setdefault(row["not_measured"], [])
            if name not in names:
                names.append(name)
    for part, why in figures["died"].items():
        found.setdefault(why, []).append(f"the rest of {part}")
    if found:
        yield "Not measured:"
        yield ""
    for why, names in found.items():
        yield f"- {', '.join(names)}: {why}"


def figure(row: Row, key: str, form: str = ".3g") -> str:
    return format(row[key], form) if key in row else MISSING
