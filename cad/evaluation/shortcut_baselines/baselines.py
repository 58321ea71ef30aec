# SPDX-License-Identifier: Apache-2.0
"""Fits the baselines of an audit, one small classifier each, on one split and scores another like any detector."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import DataError, MissingExtraError, OptionError

if TYPE_CHECKING:
    import pandas as pd

TREES = 400
#: Prefixes of all features.
EVERYTHING = ("silence.", "metadata.", "random.", "picture.", "sound.")


@dataclass(frozen=True, slots=True)
class Baseline:
    """One baseline.

    Attributes:
        name: By which callers ask for it.
        title: For the table.
        prefixes: Which features it sees.
        shuffled: Prefixes of the features that are taken from another clip of the same split instead of the own.
        guesses_source: It learns to tell sources apart, not classes, and answers with the share of fakes among the
            training rows of the sources that a clip looks like: this is what knowing the page alone is worth.
    """

    name: str
    title: str
    prefixes: tuple[str, ...]
    shuffled: tuple[str, ...] = ()
    guesses_source: bool = False


BASELINES: Mapping[str, Baseline] = {
    one.name: one
    for one in (
        Baseline("silence", "silence only", ("silence.",)),
        Baseline("metadata", "file metadata only", ("metadata.",)),
        Baseline("random_encoder", "encoder with random weights", ("random.",)),
        Baseline("shuffled_audio", "picture with another clip's sound", ("picture.", "sound."), ("sound.",)),
        Baseline("video_only", "picture statistics only", ("picture.",)),
        Baseline("audio_only", "sound statistics only", ("sound.",)),
        Baseline("source", "guess at the source", EVERYTHING, guesses_source=True),
    )
}


def baseline(name: str) -> Baseline:
    """Return the baseline called ``name``.

    Raises:
        OptionError: There is none; the message names the nearest.
    """
    if name not in BASELINES:
        near = difflib.get_close_matches(name, BASELINES, n=2)
        raise OptionError(f"there is no baseline {name!r}; nearest are {near}, known are {list(BASELINES)}")
    return BASELINES[name]


def baseline_scores(
    chosen: Baseline,
    train: pd.DataFrame,
    train_labels: NDArray[Any],
    test: pd.DataFrame,
    seed: int,
    train_sources: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Return the scores of a baseline; NaN for rows that have none of its features.

    Args:
        chosen: Which.
        train: Features (rows, names); NaN where a clip has no such stream.
        train_labels: (rows,) 1 fake, 0 real.
        test: Features of the rows to score.
        seed: Of the trees and the shuffling.
        train_sources: (rows,) name of each row's source; needed by a baseline that guesses it.

    Raises:
        DataError: The training rows lack a class, all of the features, or their sources.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise MissingExtraError("baselines need scikit-learn: pip install 'cad-detect[train]'") from error
    columns = [name for name in train.columns if name.startswith(chosen.prefixes)]
    rng = np.random.default_rng(seed)
    fitted, judged = (_shuffled(table, chosen.shuffled, rng)[columns] for table in (train, test))
    usable = fitted.notna().any(axis=1).to_numpy()
    if len(set(train_labels[usable].tolist())) < 2:
        raise DataError(f"baseline {chosen.name}: the training rows that it can see are not of both classes")
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=3, class_weight="balanced_subsample", random_state=seed, n_jobs=1
    )
    targets = train_labels
    if chosen.guesses_source:
        if train_sources is None:
            raise DataError(f"baseline {chosen.name}: the training rows do not say their sources")
        targets = train_sources
    forest.fit(fitted[usable].to_numpy(), targets[usable])
    fake_share = np.array([train_labels[usable & (targets == kind)].mean() for kind in forest.classes_])
    seen = judged.notna().any(axis=1).to_numpy()
    scores = np.full(len(judged), np.nan)
    # Of the class 1 all are fake and of 0 none, so that this is the probability of 1 where classes are learnt.
    scores[seen] = forest.predict_proba(judged[seen].to_numpy()) @ fake_share
    return scores


def _shuffled(table: pd.DataFrame, prefixes: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    """Return ``table`` with the features of ``prefixes`` permuted among the rows that have them."""
    columns = [name for name in table.columns if prefixes and name.startswith(prefixes)]
    if not columns:
        return table
    values = table[columns].to_numpy(copy=True)
    has = np.flatnonzero(~np.isnan(values).all(axis=1))
    values[has] = values[rng.permutation(has)]
    return table.assign(**dict(zip(columns, values.T, strict=True)))
