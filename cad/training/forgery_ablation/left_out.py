# SPDX-License-Identifier: Apache-2.0
"""``left_out_scores`` fits a classifier on some sources and scores the rows of the others with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from cad.data.manifest import Row
from cad.training.forgery_ablation.gathering import Gathered, Known

Floats = NDArray[np.float64]


def left_out_scores(
    gathered: Gathered,
    rows: Sequence[Row],
    scored: Sequence[Known],
    groups: Sequence[Sequence[Known]],
    strength: float,
) -> list[Floats]:
    """Return logits (rows,) for each of ``scored``, from fits that saw neither a row's source nor its person.

    Args:
        gathered: The statistics.
        rows: Rows to score.
        scored: Their statistics.
        groups: Forged examples. Groups weigh the same, the members of a group weigh the same, and all forged ones
            together weigh as much as the genuine ones.
        strength: Inverse of the regularisation (scikit-learn's C, at a weight of 1 for each genuine clip).
    """
    row_of = {row.path: row for row in gathered.rows}
    folds = np.array([gathered.fold_of[row.source] for row in rows])
    scores = [np.full(len(rows), np.nan) for _ in scored]
    for fold in sorted(set(folds.tolist())):
        here = [row for row, its_fold in zip(rows, folds, strict=True) if its_fold == fold]
        persons = {row.person for row in here} - {""}

        def seen(known: Known, fold: int = fold, persons: set[str] = persons) -> list[NDArray[np.float32]]:
            found = ((row_of[path], values) for path, values in known.items())
            return [
                values for row, values in found if gathered.fold_of[row.source] != fold and row.person not in persons
            ]

        model = _fitted(seen(gathered.genuine), [[seen(known) for known in group] for group in groups], strength)
        for values, known in zip(scores, scored, strict=True):
            values[folds == fold] = model.decision_function(np.stack([known[row.path] for row in here]))
    return scores


def _fitted(
    genuine: list[NDArray[np.float32]], groups: list[list[list[NDArray[np.float32]]]], strength: float
) -> Pipeline:
    examples, labels, weights = list(genuine), [0] * len(genuine), [1.0] * len(genuine)
    groups = [[member for member in group if member] for group in groups]
    groups = [group for group in groups if group]
    for group in groups:
        for member in group:
            examples += member
            labels += [1] * len(member)
            weights += [len(genuine) / len(groups) / len(group) / len(member)] * len(member)
    model = Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression(C=strength, max_iter=200))])
    return model.fit(np.stack(examples), labels, scale__sample_weight=np.array(weights), fit__sample_weight=weights)
