# SPDX-License-Identifier: Apache-2.0
"""The last words of a run: where the best checkpoint is, what it reached, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Figures that are said of the best checkpoint, in this order, where there are such.
_STREAM_FIGURES = ("fused_auc", "video_auc", "audio_auc", "sync_shift_auc")


def closing_lines(
    best: Path,
    monitor: str,
    figures: Mapping[str, float] | None,
    manifests: Sequence[str] = (),
    root: str | None = None,
    tables: Sequence[str] = (),
) -> list[str]:
    """Return the lines for the end of a run.

    Args:
        best: Folder of the best checkpoint.
        monitor: The figure by which it is the best.
        figures: What it reached, with ``step``; None where no validation gave that figure.
        manifests: What the run was trained on, for the next commands.
        root: Where their files are.
        tables: Further lines, such as one table a set.
    """
    if figures is None:
        return [f"no validation gave {monitor}: there is no best checkpoint in {best}"]
    said = [f"{name} {figures[f'val/{name}']:.3f}" for name in _STREAM_FIGURES if f"val/{name}" in figures]
    folder = shlex.quote(str(best))
    where = f" --root {shlex.quote(root)}" if root else ""
    evaluate = f"  python tools/evaluate.py --weights {folder} --manifest"
    return [
        f"best: {best}, step {figures['step']:.0f}, {monitor} {figures[monitor]:.3f} ({', '.join(said)})",
        *tables,
        "next:",
        *(f"{evaluate} {shlex.quote(name)}{where} --split val" for name in manifests or ["MANIFEST"]),
        f"  python export/to_onnx.py {folder} --output {shlex.quote(best.parent.name + '_model')}",
    ]
