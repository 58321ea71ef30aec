# SPDX-License-Identifier: Apache-2.0
"""``held_back`` takes a share of a set's training rows for validation, so that nobody is on both sides."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

from cad.data.manifest import Row, is_unnamed

#: A group of more than this share of the rows leaves nothing to choose.
_LARGEST_SHARE = 0.5


def held_back(rows: Sequence[Row], share: float) -> tuple[set[str], str]:
    """Return the paths of about ``share`` of each class, always the same, and what was kept together.

    Rows of one person (``Row.person``) stay together, and with them those of a pair and those of whoever's face or
    voice was put in. Where that ties most of the set into one group (everybody was swapped with everybody), donors are
    let go of first, then pairs, then people.

    Args:
        rows: Training rows of one set.
        share: In (0, 1).
    """
    most = max(_LARGEST_SHARE * len(rows), 1)
    tied = ((_groups(rows, ties), what) for ties, what in _TIES)
    groups, together = next((groups, what) for groups, what in tied if max(map(len, groups)) <= most)
    return _chosen(groups, share), together


def _person(row: Row) -> Hashable:
    return ("person", row.person) if row.person else None


def _donor(row: Row) -> Hashable:
    return None if is_unnamed(row.source_identity) else ("person", row.source_identity)


def _pair(row: Row) -> Hashable:
    return None if is_unnamed(row.pair_id) else ("pair", row.pair_id)


Tie = Callable[[Row], Hashable]
_TIES: tuple[tuple[tuple[Tie, ...], str], ...] = (
    ((_person, _donor, _pair), "people, donors and pairs"),
    ((_person, _pair), "people and pairs, not donors (who tie most rows together)"),
    ((_person,), "people alone (pairs tie most rows together)"),
    ((_pair,), "pairs alone: most rows are of one person, so that val flatters"),
    ((), "nothing: most rows are of one person and pair, so that val flatters"),
)


def _groups(rows: Sequence[Row], ties: Sequence[Tie]) -> list[list[Row]]:
    """Return the rows that hang together by what they share."""
    leader: dict[Hashable, Hashable] = {}

    def find(one: Hashable) -> Hashable:
        root = one
        while leader.setdefault(root, root) != root:
            root = leader[root]
        while leader[one] != root:
            leader[one], one = root, leader[one]
        return root

    for row in rows:
        for tie in ties:
            if (shared := tie(row)) is not None:
                leader[find(shared)] = find(("row", row.path))
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        groups[find(("row", row.path))].append(row)
    return list(groups.values())


def _chosen(groups: Sequence[Sequence[Row]], share: float) -> set[str]:
    """Return the paths of whole groups, in an order of chance that never changes, until each class has its share.

    A group that is much larger than what is still missing is passed over; a class that got none takes the smallest
    group that has it. At least one row of each class stays.
    """
    left = Counter(row.label for group in groups for row in group)
    missing = {label: max(1, round(share * count)) for label, count in left.items() if count > 1}
    ordered = sorted(groups, key=lambda group: zlib.crc32(min(row.path for row in group).encode()))
    chosen: set[str] = set()

    def take(group: Sequence[Row], most: float) -> None:
        counts = Counter(row.label for row in group)
        wanted = any(missing.get(label, 0) > 0 for label in counts)
        if wanted and len(group) <= most and all(left[label] > count for label, count in counts.items()):
            chosen.update(row.path for row in group)
            for label, count in counts.items():
                left[label] -= count
                missing[label] = missing.get(label, 0) - count

    for group in ordered:
        take(group, 2 * sum(max(count, 0) for count in missing.values()))
    got = Counter(row.label for group in groups for row in group if row.path in chosen)
    for group in sorted(ordered, key=len):
        if any(not got[row.label] for row in group) and not {row.path for row in group} & chosen:
            before = len(chosen)
            missing |= {row.label: 1 for row in group if not got[row.label]}
            take(group, float("inf"))
            if len(chosen) > before:
                got.update(row.label for row in group)
    return chosen
