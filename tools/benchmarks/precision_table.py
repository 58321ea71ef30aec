# SPDX-License-Identifier: Apache-2.0
"""The figures of `tools/bench.py precisions` as the tables of docs/evaluation/precisions.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.precision_costs import BATCHES

from cad.spec import HEADS


def tables(figures: Mapping[str, Any]) -> str:
    """Return two tables for each net: what its precisions cost, and what they do to its heads."""
    parts: list[str] = []
    for model, found in figures["models"].items():
        names = [name for name in figures["variants"] if name in found]
        parts += [f"## {model}", _about(found), _costs(found, names), _heads(found, names)]
    return "\n\n".join(parts) + "\n"


def _about(found: Mapping[str, Any]) -> str:
    return (
        f"{found['date']}, {found['threads']} threads, medians of {found['repeats']}; {found['val_clips']} val clips "
        f"({found['val_clips_with_picture']} with picture, {found['val_clips_fake']} fake), {found['val_windows']} "
        f"windows; ranges from {found['train_windows']} windows of train."
    )


def _costs(found: Mapping[str, Any], names: list[str]) -> str:
    head = ["precision", "MB", "load", *(f"{batch} window{'s' * (batch > 1)}" for batch in BATCHES)]
    rows = [
        [f"`{name}`", f"{found[name]['megabytes']:.1f}"]
        + [_ratio(found[name][key]) for key in ("load", *(f"batch_{batch}" for batch in BATCHES))]
        for name in names
    ]
    return _table(head, rows)


def _heads(found: Mapping[str, Any], names: list[str]) -> str:
    heads = [head for head in HEADS if head in found[names[0]]["heads"]]
    clips = {head: found[names[0]]["heads"][head]["clips"] for head in heads}
    rows = [[f"`{name}`", *(_head(found[name]["heads"][head]) for head in heads)] for name in names]
    return _table(["precision", *(f"{head} ({clips[head]} clips)" for head in heads)], rows)


def _ratio(cost: Mapping[str, float]) -> str:
    return f"{cost['wall']:.2f} ({cost['processor']:.2f})"


def _head(one: Mapping[str, float]) -> str:
    return (
        f"{one['auc']:.3f} ({one['auc_less_float32']:+.4f}); {one['rank_correlation']:.4f}; "
        f"{one['logit_moves_mean']:.3f}, {one['logit_moves_most']:.2f}; {one['decisions_changed']:.1%}"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
