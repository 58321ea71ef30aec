# SPDX-License-Identifier: Apache-2.0
"""Fit on some sources, score the forged rows of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cad.data.manifest import Row
from cad.metrics.score_counts import identity_codes
from cad.training.forgery_ablation.gathering import Gathered, Known

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is scored: the rows as they are.

    Attributes:
        rows: Those that have statistics.
        labels: (rows,) 1 fake, 0 genuine.
        identities: (rows,) code of who is seen or heard.
    """

    rows: tuple[Row, ...]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]


def judged_rows(gathered: Gathered) -> Judged:
    """Return the rows to be scored."""
    rows = tuple(row for row in gathered.rows if row.path in gathered.plain)
    labels = np.array([row.is_fake for row in rows], dtype=np.int64)
    return Judged(rows, labels, identity_codes([row.identity for row in rows]))


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

        score = _fitted(seen(gathered.genuine), [[seen(known) for known in group] for group in groups], strength)
        for values, known in zip(scores, scored, strict=True):
            values[folds == fold] = score(np.stack([known[row.path] for row in here]))
    return scores


def _fitted(
    genuine: list[NDArray[np.float32]], groups: list[list[list[NDArray[np.float32]]]], strength: float
) -> Callable[[NDArray[np.float32]], Floats]:
    examples, labels, weights = list(genuine), [0] * len(genuine), [1.0] * len(genuine)
    groups = [[member for member in group if member] for group in groups]
    groups = [group for group in groups if group]
    for group in groups:
        for member in group:
            examples += member
            labels += [1] * len(member)
            weights += [len(genuine) / len(groups) / len(group) / len(member)] * len(member)
    scaler = StandardScaler().fit(np.stack(examples), sample_weight=np.array(weights))
    model = LogisticRegression(C=strength, max_iter=200)
    model.fit(scaler.transform(np.stack(examples)), labels, sample_weight=weights)

    def score(judged: NDArray[np.float32]) -> Floats:
        logits: Floats = model.decision_function(scaler.transform(judged))
        return logits

    return score
