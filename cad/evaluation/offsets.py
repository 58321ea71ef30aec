# SPDX-License-Identifier: Apache-2.0
"""Measures for reports how well the offset of sound from lips is estimated on clips moved by a known time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cad.evaluation.records import FileScore
from cad.metrics.bootstrap import Estimate, estimate_rows
from cad.metrics.score_counts import Floats, identity_codes

if TYPE_CHECKING:
    import pandas as pd

#: Column of rows whose sound was moved: by how many seconds it lags behind the picture.
TRUE_OFFSET = "true_offset_seconds"
#: Two frames of the grid; about what viewers notice.
OFFSET_TOLERANCE_SECONDS = 0.08


def offset_figures(rows: pd.DataFrame, scores: Sequence[FileScore], resamples: int, seed: int) -> dict[str, Estimate]:
    """Return how far estimated offsets are from the true ones, with intervals over identities; empty without any.

    Only rows whose sound was moved are measured; a file without an estimate is wrong, and left out of the median error.
    """
    if TRUE_OFFSET not in rows:
        return {}
    true = rows[TRUE_OFFSET].to_numpy(dtype=float)
    said = np.array([math.nan if score.offset_seconds is None else score.offset_seconds for score in scores])
    moved = np.flatnonzero(~np.isnan(true) & (true != 0))
    if not len(moved):
        return {}
    errors = np.abs(said - true)[moved]
    codes = identity_codes(rows["identity"].to_numpy())[moved]
    return estimate_rows(lambda some: _figures(errors[some]), codes, resamples, seed)


def _figures(errors: Floats) -> dict[str, float]:
    known = errors[~np.isnan(errors)]
    return {
        f"within {OFFSET_TOLERANCE_SECONDS * 1000:.0f} ms": float((errors <= OFFSET_TOLERANCE_SECONDS + 1e-9).mean()),
        "median error in seconds": float(np.median(known)) if len(known) else math.nan,
    }
