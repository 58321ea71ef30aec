# SPDX-License-Identifier: Apache-2.0
"""Lays out for tools/compare.py how the first model differs from each other one on the rows that both scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cad.errors import DataError
from cad.evaluation.comparison import Comparison, compare_systems
from cad.evaluation.tables import HEADINGS, Cell, Table
from cad.metrics.bootstrap import RESAMPLES

if TYPE_CHECKING:
    import pandas as pd

#: What is tested: rankings, which need no threshold.
TESTED = ("auc", "eer")


def paired_tables(
    scored: Mapping[str, Mapping[str, pd.DataFrame]], resamples: int = RESAMPLES, seed: int = 0
) -> list[Table]:
    """Return a table of differences for each of TESTED: a line a model, two columns a set (difference, p-value).

    Args:
        scored: By set and model, the first model first, the manifest's rows with ``p_file``, NaN where there is none.
        resamples: Bootstrap resamples over identities; both models meet the same draws. Without any nothing is tested.
        seed: Of the resampling.
    """
    models = list(dict.fromkeys(model for by_model in scored.values() for model in by_model))
    if len(models) < 2 or resamples == 0:
        return []
    first, *others = models
    pairs = {
        (dataset, other): _compared(by_model, first, other, resamples, seed)
        for dataset, by_model in scored.items()
        for other in others
    }
    headings = ["model", *(heading for dataset in scored for heading in (dataset, f"{dataset}, p"))]
    return [
        Table(
            f"{HEADINGS[metric]}: {first} minus the others",
            headings,
            [[other, *_cells([pairs[dataset, other] for dataset in scored], metric)] for other in others],
            "Paired bootstrap over identities on the rows that both models scored; p is that of no difference.",
        )
        for metric in TESTED
    ]


def _compared(
    by_model: Mapping[str, pd.DataFrame], first: str, other: str, resamples: int, seed: int
) -> Comparison | None:
    """Return the two on their common rows; None where there are none, or of one class alone."""
    if first not in by_model or other not in by_model:
        return None
    rows = by_model[first].drop(columns="p_file")
    systems = {name: by_model[name][["path", "p_file"]].dropna() for name in (first, other)}
    try:
        return compare_systems(rows, systems, {}, resamples=resamples, seed=seed)
    except DataError:
        return None


def _cells(found: Sequence[Comparison | None], metric: str) -> list[Cell]:
    cells: list[Cell] = []
    for one in found:
        if one is None:
            cells += ["-", "-"]
        else:
            ((_, by_metric),) = one.differences.items()
            cells += [by_metric[metric].estimate, f"{by_metric[metric].p_value:.3f}"]
    return cells
