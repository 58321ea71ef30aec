# SPDX-License-Identifier: Apache-2.0
"""Puts scores beside the truth for reports; what does not fit is counted and named, never dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cad.data.manifest import Problem
from cad.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a foreign score file that hold a score, the first found wins; larger must mean fake.
SCORE_COLUMNS = ("score", "probability_fake", "p_file", "probability", "p_fused", "fake")


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows of a manifest with the scores of a detector.

    Attributes:
        rows: The manifest's rows with the scores' columns; NaN where the detector gave no score.
        problems: What did not fit.
    """

    rows: pd.DataFrame
    problems: tuple[Problem, ...]

    def counts(self) -> dict[str, int]:
        """Return how often each kind of problem occurs."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())


def read_scores(path: Path) -> pd.DataFrame:
    """Return a detector's scores: CSV or Parquet with ``path`` and ``score`` (or the columns of this tool).

    Raises:
        DataError: The file is missing or lacks a column, or no score in it is a number.
    """
    import pandas

    if not path.is_file():
        raise DataError(f"there is no score file at {path}")
    try:
        table = pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a table: {error}") from error
    column = next((name for name in SCORE_COLUMNS if name in table), None)
    if "path" not in table or column is None:
        raise DataError(f"{path} needs the columns path and one of {list(SCORE_COLUMNS)}; it has {list(table.columns)}")
    if "p_file" not in table:
        table = table.assign(p_file=pandas.to_numeric(table[column], errors="coerce"))
    return table.assign(path=table["path"].astype(str))


def join(rows: pd.DataFrame, scores: pd.DataFrame) -> Joined:
    """Put ``scores`` beside ``rows`` by path.

    Args:
        rows: Of a manifest.
        scores: With ``path`` and ``p_file``; of a path that stands there twice the first row is used.

    Raises:
        DataError: No score belongs to any row.
    """
    known, scored = set(rows["path"]), set(scores["path"])
    if not known & scored:
        raise DataError(
            f"none of the {len(scored)} scored paths is in the manifest; it has paths like {sorted(known)[:3]}, "
            f"the scores like {sorted(scored)[:3]}"
        )
    repeated = scores["path"].duplicated()
    joined = rows.merge(scores[~repeated], on="path", how="left", validate="one_to_one", suffixes=("", "_scores"))
    value = joined["p_file"].to_numpy(dtype=np.float64)
    answered = joined["path"].isin(scored)
    unusable = answered & ~np.isfinite(value)
    if "answer" in joined:
        # Saying *inconclusive* without a probability is an answer; it is counted among the answers.
        unusable &= joined["answer"].isin(("fake", "real"))
    joined.loc[unusable, "p_file"] = np.nan
    problems = (
        _problems("score_twice", scores["path"][repeated], "scored more than once; the first is used")
        + _problems("score_without_row", sorted(scored - known), "scored but not in the manifest")
        + _problems("row_without_score", joined["path"][~answered], "in the manifest but not scored")
        + _problems("score_not_finite", joined["path"][unusable], "the score is NaN, infinite or no number")
    )
    return Joined(joined, problems)


def join_part(rows: pd.DataFrame, scores: pd.DataFrame, known: Collection[str]) -> Joined:
    """Put ``scores`` beside some of the rows of a manifest; scores of its other rows are no problem.

    Args:
        rows: The part.
        scores: As for ``join``.
        known: Paths of all rows of the manifest.

    Raises:
        DataError: As for ``join``.
    """
    elsewhere = scores["path"].isin(set(known)) & ~scores["path"].isin(rows["path"])
    if elsewhere.any() and not scores["path"].isin(rows["path"]).any():
        raise DataError(f"none of the {len(rows)} rows has a score; the scores are of other rows of the manifest")
    return join(rows, scores[~elsewhere].reset_index(drop=True))


def _problems(kind: str, paths: Sequence[str] | pd.Series, text: str) -> tuple[Problem, ...]:
    return tuple(Problem(kind, str(path), text) for path in paths)
