# SPDX-License-Identifier: Apache-2.0
"""``folds_of_sources`` deals sources out to folds, so that each has its share of genuine and of forged rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from cad.data.manifest import Row


def folds_of_sources(genuine: Iterable[Row], forged: Iterable[Row], folds: int) -> dict[str, int]:
    """Return the fold of each source; the largest comes first, and each goes where its rows are missed most.

    A source counts with the square root of its rows, as it does when training draws.

    Example:
        >>> def row(source): return Row("", 0, source=source)
        >>> folds_of_sources(map(row, "aaaabb"), map(row, "cccd"), 2)
        {'c': 0, 'a': 0, 'b': 1, 'd': 1}
    """
    counts = [Counter(row.source for row in rows) for rows in (genuine, forged)]
    sources = sorted(set(counts[0]) | set(counts[1]))
    roots = np.sqrt([[count[source] for count in counts] for source in sources]).reshape(-1, 2)
    shares = dict(zip(sources, roots / np.maximum(roots.sum(axis=0), 1.0), strict=True))
    loads = np.zeros((folds, 2))
    found: dict[str, int] = {}
    for source in sorted(shares, key=lambda name: -shares[name].sum()):
        # The sum of squares grows least where both classes are rare.
        growth = ((loads + shares[source]) ** 2 - loads**2).sum(axis=1)
        found[source] = int(np.argmin(growth))
        loads[found[source]] += shares[source]
    return found
