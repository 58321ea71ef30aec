# SPDX-License-Identifier: Apache-2.0
"""Faces for the fit of the picture's large judge: which crops a row has, and how genuine and forged ones are drawn.

Stills (clips of one frame) and talking faces are drawn alike; within both a source by the square root of its rows, so
that neither a large page nor a thousand portraits decide what a genuine face is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Row, is_unnamed
from cad.data.shards import ClipEntry, ClipStore
from cad.errors import DataError
from cad.training.labels import forged_slots, stretches_of

#: Draws before another person's face is given up.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class FaceRow:
    """A row whose picture is genuine or forged.

    Attributes:
        row: The manifest's.
        slots: int64 (crops,) slots with a face; of a row that is forged in stretches those that are forged.
        is_still: Whether the clip is a single picture.
    """

    row: Row
    slots: NDArray[np.int64] = field(repr=False)
    is_still: bool

    @property
    def is_fake(self) -> bool:
        """Whether its crops are forged."""
        return self.row.video_fake == 1

    def spread(self, crops: int) -> NDArray[np.int64]:
        """Return up to ``crops`` slots, the middles of as many equal parts."""
        count = min(crops, len(self.slots))
        return self.slots[(2 * np.arange(count) + 1) * len(self.slots) // (2 * count)]


def face_rows(store: ClipStore, rows: Sequence[Row]) -> list[FaceRow]:
    """Return the rows that show a face of which it is known whether it is genuine."""
    found = []
    for row in rows:
        entry = store.entry(row.path)
        slots = _face_slots(entry, row) if row.video_fake in (0, 1) else np.zeros(0, np.int64)
        if len(slots):
            found.append(FaceRow(row, slots, entry.slots == 1))
    return found


def _face_slots(entry: ClipEntry, row: Row) -> NDArray[np.int64]:
    shown = entry.frames_present.copy()
    if stretches := stretches_of(row, "video"):
        shown &= forged_slots(entry.start_seconds, entry.slots, stretches)
    return np.flatnonzero(shown)


class FaceDraw:
    """Draws rows for the fit.

    Args:
        rows: Rows of both classes, or genuine ones alone.

    Raises:
        DataError: No row is genuine.
    """

    def __init__(self, rows: Sequence[FaceRow]) -> None:
        self._genuine = _by_domain([row for row in rows if not row.is_fake])
        self._forged = _by_domain([row for row in rows if row.is_fake])
        if not self._genuine:
            raise DataError("the picture needs training rows with a genuine face (video_fake 0); there is none")

    @property
    def has_forged(self) -> bool:
        """Whether there are forged rows."""
        return bool(self._forged)

    def genuine(self, rng: np.random.Generator) -> FaceRow:
        """Return a genuine row."""
        return _drawn(self._genuine, rng)

    def forged(self, rng: np.random.Generator) -> FaceRow:
        """Return a forged row, of which there must be some."""
        return _drawn(self._forged, rng)

    def genuine_beside(self, forged: FaceRow, rng: np.random.Generator) -> FaceRow:
        """Return a genuine row of the same domain and source as a forged one; where there is none, any."""
        own = self._genuine.get(forged.is_still, {}).get(forged.row.source, [])
        return own[int(rng.integers(len(own)))] if own else self.genuine(rng)

    def other_person(self, row: FaceRow, rng: np.random.Generator) -> FaceRow | None:
        """Return a genuine row of somebody else; None where chance meets the same person too often."""
        for _ in range(_TRIES):
            other = self.genuine(rng)
            is_same = other.row.path == row.row.path or (
                other.row.identity == row.row.identity and not is_unnamed(row.row.identity)
            )
            if not is_same:
                return other
        return None


_Domains = dict[bool, dict[str, list[FaceRow]]]


def _by_domain(rows: Sequence[FaceRow]) -> _Domains:
    found: _Domains = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.is_still][row.row.source].append(row)
    return {domain: dict(sorted(sources.items())) for domain, sources in sorted(found.items())}


def _drawn(domains: _Domains, rng: np.random.Generator) -> FaceRow:
    sources = list(list(domains.values())[int(rng.integers(len(domains)))].values())
    shares = np.sqrt([len(rows) for rows in sources])
    rows = sources[int(rng.choice(len(sources), p=shares / shares.sum()))]
    return rows[int(rng.integers(len(rows)))]
