# SPDX-License-Identifier: Apache-2.0
"""Other voices for the forgers, read from the shards when they are asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from cad.data.manifest import Row, is_unnamed
from cad.data.records import Clip
from cad.data.shards import ClipStore

#: A draw that hits the same person or event is repeated so often before giving up.
_TRIES = 8


class StoreDonors:
    """The ``Donors`` of ``cad.data.forge``, over the training rows of a store.

    Args:
        store: Where the clips are.
        rows: Training rows; those without sound, or with a voice of unknown origin, are left out.
    """

    def __init__(self, store: ClipStore, rows: Iterable[Row]) -> None:
        self._store = store
        self._synthetic: list[Row] = []
        self._by_identity: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.audio_fake == 1 and store.entry(row.path).has_audio:
                self._synthetic.append(row)
            elif row.audio_fake == 0 and not row.is_fake and store.entry(row.path).has_audio:
                self._by_identity[row.identity].append(row)
        self._identities = sorted(self._by_identity)

    def same_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return another genuine recording of the person in ``clip``; None for an unnamed person."""
        if is_unnamed(clip.identity):
            return None
        return self._drawn([row for row in self._by_identity.get(clip.identity, ()) if row.path != clip.key], rng)

    def other_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return a genuine recording of somebody else; every person is equally likely.

        Recordings of the same event are passed over: a dubbed twin would carry the same words.
        """
        for _ in range(_TRIES if self._identities else 0):
            rows = self._by_identity[self._identities[int(rng.integers(len(self._identities)))]]
            row = rows[int(rng.integers(len(rows)))]
            same_event = bool(clip.pair_id) and row.pair_id == clip.pair_id
            if row.identity != clip.identity and row.path != clip.key and not same_event:
                return self._sound_of(row)
        return None

    def synthetic(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return speech that a machine made."""
        return self._drawn(self._synthetic, rng)

    def _drawn(self, rows: list[Row], rng: np.random.Generator) -> Clip | None:
        return self._sound_of(rows[int(rng.integers(len(rows)))]) if rows else None

    def _sound_of(self, row: Row) -> Clip:
        clip = self._store.read(row.path)
        return replace(clip, frames=None, points_px=None, frames_present=np.zeros(clip.slots, bool))
