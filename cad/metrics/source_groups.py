# SPDX-License-Identifier: Apache-2.0
"""source_groups deals sources out to groups that are left out in turn: of a fit, or of the choice of a threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def source_groups(sources: Iterable[str], groups: int) -> dict[str, int]:
    """Return a group for every source, so that groups have about as many rows.

    Example:
        >>> source_groups(["a", "a", "a", "b", "c", "c"], 2)
        {'a': 0, 'c': 1, 'b': 1}
    """
    sizes, found = [0] * groups, {}
    for source, count in sorted(Counter(sources).items(), key=lambda item: (-item[1], item[0])):
        found[source] = sizes.index(min(sizes))
        sizes[found[source]] += count
    return found
