# SPDX-License-Identifier: Apache-2.0
"""Measures for reports how often the detector decides on files of each kind, and how often that accuses a genuine one.

A detector may keep its false positives down by saying nothing: the share that is decided (fake or real, neither
inconclusive nor unreadable) and the false positive rate mean something only side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.row_views import domains_of
from cad.metrics.bootstrap import Estimate
from cad.metrics.shares import by_rows, by_sources
from cad.spec import DOMAINS

if TYPE_CHECKING:
    import pandas as pd

#: What tables call the kinds of file.
NAMES = {"recording": "voice (sound alone)", "talking_head": "video", "still": "still"}


@dataclass(frozen=True, slots=True)
class DomainDecisions:
    """Answers on the files of one kind; shares lie in [0, 1], with 95 % intervals.

    Attributes:
        domain: One of ``cad.spec.DOMAINS``.
        reals: Number of genuine rows.
        fakes: Number of forged rows.
        sources: Number of sources of genuine rows.
        decided: Share of all rows that got the answer fake or real; intervals are drawn over identities.
        decided_reals: The same of genuine rows.
        decided_fakes: The same of forged rows.
        false_positives: Share of genuine rows that were called fake.
        false_positives_by_sources: Mean over sources of each one's share; its interval is drawn over sources.
    """

    domain: str
    reals: int
    fakes: int
    sources: int
    decided: Estimate
    decided_reals: Estimate
    decided_fakes: Estimate
    false_positives: Estimate
    false_positives_by_sources: Estimate

    @property
    def shares(self) -> dict[str, Estimate]:
        """The shares by name."""
        names = ("decided", "decided_reals", "decided_fakes", "false_positives", "false_positives_by_sources")
        return {name: getattr(self, name) for name in names}


def decisions_by_domain(
    rows: pd.DataFrame, answers: NDArray[Any], resamples: int, seed: int
) -> tuple[DomainDecisions, ...]:
    """Return what was answered on each kind of file that there is.

    Args:
        rows: Of a manifest.
        answers: (rows,) ``fake``, ``real``, ``inconclusive`` or ``error``.
        resamples: Of every interval.
        seed: Of the resampling.
    """
    kinds, labels = domains_of(rows), rows["label"].to_numpy(dtype=np.int8)
    people = rows["identity"].to_numpy(dtype=object)
    sources = (rows["source"] if "source" in rows else rows["identity"]).to_numpy(dtype=object)
    decided, fake = np.isin(answers, ("fake", "real")), answers == "fake"

    def share(found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> Estimate:
        return by_rows(found[mask], people[mask], resamples, seed)

    measured = []
    for domain in DOMAINS:
        own = kinds == domain
        real, forged = own & (labels == 0), own & (labels == 1)
        if own.any():
            measured.append(
                DomainDecisions(
                    domain=domain,
                    reals=int(real.sum()),
                    fakes=int(forged.sum()),
                    sources=len(set(sources[real].tolist())),
                    decided=share(decided, own),
                    decided_reals=share(decided, real),
                    decided_fakes=share(decided, forged),
                    false_positives=share(fake, real),
                    false_positives_by_sources=by_sources(fake[real], sources[real], resamples, seed),
                )
            )
    return tuple(measured)
