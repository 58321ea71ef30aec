# SPDX-License-Identifier: Apache-2.0
"""Compares detectors on the same rows for tools/compare.py: figures, and differences by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cad.errors import DataError
from cad.evaluation.joining import join
from cad.evaluation.tables import HEADINGS, markdown_table, measured_cells
from cad.metrics.bootstrap import Estimate, interval, paired_p_value
from cad.metrics.measured import NAMES, Measured, measure
from cad.metrics.score_counts import identity_codes

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("fpr", "tpr", "auc", "ap_fake", "eer", "tpr_at_fpr_5")


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second, with its interval and the p-value of no difference."""

    estimate: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of each detector on the common rows, and the differences of each pair by metric."""

    measured: Mapping[str, Measured]
    differences: Mapping[tuple[str, str], Mapping[str, Difference]]
    problems: Mapping[str, Mapping[str, int]]
    left_out: int


def compare_systems(
    rows: pd.DataFrame,
    systems: Mapping[str, pd.DataFrame],
    thresholds: Mapping[str, float],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return figures and paired differences of some detectors.

    Args:
        rows: Of a manifest.
        systems: Scores by the detector's name (``read_scores``).
        thresholds: Operating point by name.
        resamples: Bootstrap resamples; all detectors meet the same draws. 0 gives no intervals.
        seed: Of the resampling.

    Raises:
        DataError: No row has a score of every detector, or a class is absent from those that have.
    """
    joined = {name: join(rows, scores) for name, scores in systems.items()}
    scores = {name: found.rows["p_file"].to_numpy(dtype=np.float64) for name, found in joined.items()}
    common = ~np.isnan(np.stack(list(scores.values()))).any(axis=0)
    labels = rows["label"].to_numpy(dtype=np.int8)[common]
    if len(set(labels.tolist())) < 2:
        raise DataError(f"{int(common.sum())} rows have a score of every detector and they are not of both classes")
    codes = identity_codes(rows["identity"].to_numpy())[common]
    measure_common = partial(measure, labels=labels, identities=codes, resamples=resamples, seed=seed)
    measured = {
        name: measure_common(values[common], threshold=thresholds.get(name, 0.5)) for name, values in scores.items()
    }
    differences = {
        (first, second): {metric: _difference(measured[first], measured[second], metric) for metric in COMPARED}
        for first, second in combinations(systems, 2)
    }
    problems = {name: found.counts() for name, found in joined.items()}
    return Comparison(measured, differences, problems, int((~common).sum()))


def comparison_markdown(comparison: Comparison) -> str:
    """Return the table of the detectors and one of differences for each pair."""
    lines = [[name, *measured_cells(measured, NAMES)] for name, measured in comparison.measured.items()]
    parts = [markdown_table(["detector", "real / fake", *(HEADINGS[name] for name in NAMES)], lines)]
    for (first, second), found in comparison.differences.items():
        lines = [[HEADINGS[metric], one.estimate.text(), f"{one.p_value:.3f}"] for metric, one in found.items()]
        table = markdown_table(["metric", "difference", "p (no difference)"], lines)
        parts.append(f"**{first} minus {second}** (paired bootstrap over identities)\n\n{table}")
    return "\n\n".join(parts)


def _difference(first: Measured, second: Measured, metric: str) -> Difference:
    nothing = np.empty(0)  # without resamples
    values = first.drawn.get(metric, nothing) - second.drawn.get(metric, nothing)
    value = first.estimates[metric].value - second.estimates[metric].value
    return Difference(Estimate(value, *interval(values)), paired_p_value(values))
