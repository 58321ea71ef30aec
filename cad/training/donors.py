# SPDX-License-Identifier: Apache-2.0
"""``StoreDonors`` gives the forgers other voices, read from the shards when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from cad.data.forge.donors import DonorPool, sound_only
from cad.data.manifest import Row
from cad.data.records import Clip
from cad.data.shards import ClipStore


class StoreDonors(DonorPool):
    """The ``Donors`` of ``cad.data.forge``, over the training rows of a store.

    Args:
        store: Where the clips are.
        rows: Training rows; those without sound, or with a voice of unknown origin, are left out.
    """

    def __init__(self, store: ClipStore, rows: Iterable[Row]) -> None:
        self._store = store
        heard = [row for row in rows if store.entry(row.path).has_audio]
        self._hold(
            [row for row in heard if row.audio_fake == 0 and not row.is_fake],
            [row for row in heard if row.audio_fake == 1],
        )

    def _read(self, recording: Row) -> Clip:
        return sound_only(self._store.read(recording.path))
