# SPDX-License-Identifier: Apache-2.0
"""Measures for a table how far stated probabilities lie from the share of fakes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad.metrics.score_counts import Counts, Floats, divide

BINS = 15
#: Inner borders of the bins.
CUTS: Floats = np.linspace(0.0, 1.0, BINS + 1)[1:-1]


def expected_calibration_error(counts: Counts) -> Floats:
    """Return the mean gap between stated probability and share of fakes, over BINS equal bins.

    Scores outside [0, 1] (abstentions counted as errors) stand at the nearest end.

    Source: Naeini et al., AAAI 2015.
    """
    probability = np.clip(counts.values, 0.0, 1.0)[:, None]
    starts = np.searchsorted(probability[:, 0], CUTS, side="left")
    edges = np.concatenate([[0], starts, [len(probability)]])
    both = counts.fake + counts.real
    # Sums between the edges of the bins, which may be empty.
    fakes, stated = (
        np.diff(np.pad(np.cumsum(each, axis=0), ((1, 0), (0, 0)))[edges], axis=0)
        for each in (counts.fake, both * probability)
    )
    gaps = np.abs(fakes - stated)
    return divide(gaps.sum(axis=0), both.sum(axis=0))


def balanced_calibration_error(counts: Counts) -> Floats:
    """Return ``expected_calibration_error`` with both classes weighing the same, as calibration assumes.

    A test set of nine fakes in ten would make every honest probability look too low, whatever the detector is worth.
    """
    fakes, reals = counts.fake.sum(axis=0), counts.real.sum(axis=0)
    even = replace(counts, fake=divide(counts.fake, fakes), real=divide(counts.real, reals))
    return expected_calibration_error(even)
