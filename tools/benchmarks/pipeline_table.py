# SPDX-License-Identifier: Apache-2.0
"""Writes the figures of the pipeline's benchmark as Markdown, for docs/speed.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STAGES = ("open", "hear", "read", "faces", "wait", "score")


def table_of(found: Mapping[str, Any]) -> str:
    """Return the tables of what ``pipeline.run`` found."""
    where, parts = found["machine"], found["parts"]
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    lines = [
        f"{where['processor']}, {where['cores']} cores, load average {where['load_average']} at the start, "
        f"{where['date']}; {versions}; medians of {found['rounds']}.",
        "",
    ]
    if "clips" in parts:
        lines += [
            "| clip | decoding to RGB, s | frames alone, s | verdict, s | verdict / decoding | bar | "
            + " | ".join(_STAGES) + " |",
            "|" + "---|" * (6 + len(_STAGES)),
        ]  # fmt: skip
        for row in parts["clips"]:
            stages = " | ".join(f"{row['stages'].get(name, 0.0):.2f}" for name in _STAGES)
            lines.append(
                f"| {row['clip']} | {row['decoding_seconds']} | {row['decoding_frames_seconds']} | "
                f"{row['verdict_seconds']} | {row['ratio']} | {row['bar']} | {stages} |"
            )
        lines.append("")
    rows = [
        (f"reading / decoding, processor time, {row['clip']}", row["processor_ratio"], f"<= {row['bar']}")
        for row in parts.get("read", ())
    ]
    start, batch, net = (parts.get(name) for name in ("start", "batch", "net"))
    if start:
        rows.append((f"fresh process on {start['clip']}, s", start["seconds"], f"<= {start['bar']}"))
    if batch:
        what = f"{batch['files']} short clips, {batch['jobs']} jobs: share of what the processors could do"
        rows.append((what, batch["share_of_possible"], f">= {batch['bar']}"))
        rows.append(("the same, peak memory of all processes, MiB", batch["peak_mib"], f"<= {batch['peak_bar_mib']}"))
        rows.append(("the same, clips a second", batch["clips_per_second"], ""))
    if net:
        rows.append(("net: ONNX Runtime / the faster of eager torch and torch.compile",
                     net["times_the_faster_torch"], f">= {net['bar']}"))  # fmt: skip
        rows += [(f"net: {name.replace('_', ' ')}", value, "") for name, value in net.items()
                 if name not in ("times_the_faster_torch", "bar")]  # fmt: skip
    if rows:
        lines += ["| what | measured | bar |", "|---|---|---|"]
        lines += [f"| {what} | {value} | {bar} |" for what, value, bar in rows]
    return "\n".join(lines).rstrip() + "\n"
