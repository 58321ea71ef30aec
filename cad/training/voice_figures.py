# SPDX-License-Identifier: Apache-2.0
"""``figures_by_seed`` says how well logits of recordings tell forged from genuine voices, over seeds and sources."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Row
from cad.metrics.bootstrap import estimate_rows
from cad.metrics.roc import auc_of
from cad.whole_files import written_beside

#: Fewer recordings of a source say nothing about the order within it.
MIN_ROWS_WITHIN = 8
RESAMPLES = 300

Figures = dict[str, dict[str, float | list[float]]]


def figures_by_seed(logits: Sequence[Mapping[int, float]], rows: Sequence[Row], face: Mapping[str, bool]) -> Figures:
    """Return the AUC of all rows, of recordings of speech, of talking faces, and the mean within sources.

    Args:
        logits: For each seed, by number of the row; the same rows with each.
        rows: A row whose flag is unknown is left out.
        face: By path, whether a face is seen.

    Returns:
        By part, ``auc`` (mean over the seeds), ``seeds`` (each one's), and ``low`` and ``high``, the ends of the 95 %
        interval of the mean when sources are drawn anew.
    """
    numbers = [number for number in logits[0] if rows[number].audio_fake >= 0]
    label = np.array([rows[number].audio_fake for number in numbers])
    sources = np.array([rows[number].source for number in numbers])
    is_face = np.array([face[rows[number].path] for number in numbers], dtype=bool)
    scores = [np.array([one[number] for number in numbers]) for one in logits]
    _, source = np.unique(sources, return_inverse=True)

    def mean_of_seeds(drawn: NDArray[np.intp]) -> dict[str, float]:
        each = [aucs(score[drawn], label[drawn], is_face[drawn], source[drawn]) for score in scores]
        return {name: float(np.mean([one[name] for one in each])) for name in each[0]}

    seeds = [aucs(score, label, is_face, source) for score in scores]
    return {
        name: {"auc": one.value, "low": one.low, "high": one.high, "seeds": [seed[name] for seed in seeds]}
        for name, one in estimate_rows(mean_of_seeds, source, RESAMPLES, seed=0).items()
    }


def aucs(
    score: NDArray[np.float64], label: NDArray[np.int64], is_face: NDArray[np.bool_], source: NDArray[np.intp]
) -> dict[str, float]:
    """Return the AUC of all, of recordings of speech, of faces, and the mean over sources with both classes.

    Example:
        >>> one = np.zeros(8, bool), np.repeat([0, 1], 4)
        >>> aucs(np.array([0.0, 0, 1, 1, 5, 5, 9, 9]), np.array([0, 0, 1, 1, 0, 0, 1, 1]), *one)["all"]
        0.75
    """
    parts = {"all": np.ones_like(is_face), "speech": ~is_face, "faces": is_face}
    found = {name: auc_of(score[part & (label == 1)], score[part & (label == 0)]) for name, part in parts.items()}
    within = []
    for code in np.unique(source):
        own = source == code
        if own.sum() >= MIN_ROWS_WITHIN and 0 < label[own].sum() < own.sum():
            within.append(auc_of(score[own & (label == 1)], score[own & (label == 0)]))
    return found | {"within": float(np.mean(within)) if within else float("nan")}


def write_scores(
    path: Path, logits: Sequence[Mapping[int, float]], rows: Sequence[Row], face: Mapping[str, bool]
) -> None:
    """Write a CSV with a row a recording: path, source, audio_fake, face, and the logit of each seed."""
    with written_beside(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "source", "audio_fake", "face", *(f"logit_{seed}" for seed in range(len(logits)))])
        for number in logits[0]:
            row = rows[number]
            given = [f"{one[number]:.5f}" for one in logits]
            table.writerow([row.path, row.source, row.audio_fake, int(face[row.path]), *given])
