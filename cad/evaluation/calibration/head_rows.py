# SPDX-License-Identifier: Apache-2.0
"""Holds the rows that one head is fitted on, with where each comes from, and the weights and rates that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.tables import estimate_json
from cad.metrics.score_counts import Floats
from cad.metrics.shares import by_rows, by_sources

#: Of the intervals; a rate of some hundred rows does not need more.
RESAMPLES = 500
SEED = 20_261

Mask = NDArray[np.bool_]
Names = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class HeadRows:
    """Rows of a set with the raw clip logit of one head.

    Attributes:
        logits: float64 (rows,) positive for fake.
        labels: int8 (rows,) 1 fake, 0 real, in the stream that the head judges.
        sources: (rows,) page, corpus or folder of each.
        identities: (rows,) who is seen or heard.
        domains: (rows,) kind of file, one of ``cad.spec.DOMAINS``.
        strata: (rows,) what a threshold must hold on by itself, such as pictures beside frames cut out of clips.
        counts: bool (rows,) False for what is no further witness: the re-encoded copy of a row that is here, too.
    """

    logits: Floats
    labels: NDArray[np.int8]
    sources: Names
    identities: Names
    domains: Names
    strata: Names
    counts: Mask

    def only(self, mask: Mask) -> HeadRows:
        """Return some of the rows."""
        return HeadRows(*(getattr(self, field.name)[mask] for field in fields(self)))

    def witnesses(self, label: int) -> int:
        """Return how many rows of a class there are, copies left out."""
        return int((self.counts & (self.labels == label)).sum())

    @property
    def weights(self) -> Floats:
        """The weight of each row: the rows of a source weigh as much as the square root of their number, by class."""
        weights = np.ones(len(self.labels))
        for label in (0, 1):
            own = self.labels == label
            weights[own] = source_weights(self.sources[own])
        return weights


def joined_rows(parts: Sequence[HeadRows]) -> HeadRows:
    """Return the rows of all parts, of which there is at least one."""
    return HeadRows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(HeadRows)))


def source_weights(sources: Names) -> Floats:
    """Return weights under which every source counts as the square root of its number of rows.

    Example:
        >>> source_weights(np.array(["a", "a", "a", "a", "b"], dtype=object)).tolist()
        [0.5, 0.5, 0.5, 0.5, 1.0]
    """
    if not len(sources):
        return np.empty(0)
    _, codes, sizes = np.unique(sources.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / np.sqrt(sizes[codes]), dtype=np.float64)


def share_of(found: Mask, identities: Names, sources: Names) -> dict[str, object]:
    """Return which share of some rows is found, by rows and by sources, with 95 % intervals.

    By rows: drawn over identities. By sources: the mean of the sources' shares, drawn over sources, of which one alone
    has no interval.
    """
    return {
        "rows": len(found),
        "by_rows": estimate_json(by_rows(found, identities, RESAMPLES, SEED)),
        "sources": len(set(sources.astype(str).tolist())),
        "by_sources": estimate_json(by_sources(found, sources, RESAMPLES, SEED)),
    }
