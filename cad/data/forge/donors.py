# SPDX-License-Identifier: Apache-2.0
"""Donors: recordings that give forgers another voice for the genuine one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from cad.data.manifest import Row, is_unnamed
from cad.data.records import Clip

#: Draws before giving up, where each hits the same person or event.
_TRIES = 8


class Donors(Protocol):
    """Where other voices come from; every method returns a clip with sound, or None when it has none."""

    def same_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return another genuine recording of the person in ``clip``."""

    def other_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return a genuine recording of somebody else."""

    def synthetic(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return speech that a machine made."""


#: A recording in a pool; a row's clip is read when it is drawn.
Recording = Clip | Row


class DonorPool:
    """Donors held in memory, without their pictures.

    Args:
        genuine: Genuine clips; those without sound are left out.
        synthetic: Machine-made speech.
    """

    def __init__(self, genuine: Iterable[Clip] = (), synthetic: Iterable[Clip] = ()) -> None:
        self._hold(*([sound_only(clip) for clip in clips if clip.audio is not None] for clips in (genuine, synthetic)))

    def _hold(self, genuine: Iterable[Recording], synthetic: Iterable[Recording]) -> None:
        self._synthetic = list(synthetic)
        self._by_identity: dict[str, list[Recording]] = defaultdict(list)
        for recording in genuine:
            self._by_identity[recording.identity].append(recording)
        self._identities = sorted(self._by_identity)

    def _read(self, recording: Any) -> Clip:
        """Return the clip of a recording, without its picture."""
        clip: Clip = recording
        return clip

    def same_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return another genuine recording of the person in ``clip``; None for an unnamed person."""
        if is_unnamed(clip.identity):
            return None
        return self._drawn([one for one in self._by_identity.get(clip.identity, ()) if one.key != clip.key], rng)

    def other_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return a recording of somebody else; every person is equally likely, whatever their number of recordings.

        A donor of the same event (pair_id) is passed over, since dubbed twins say the same words. Unnamed people may
        be one person.
        """
        for _ in range(_TRIES if self._identities else 0):
            recordings = self._by_identity[self._identities[int(rng.integers(len(self._identities)))]]
            donor = recordings[int(rng.integers(len(recordings)))]
            same_event = bool(clip.pair_id) and donor.pair_id == clip.pair_id
            if donor.identity != clip.identity and donor.key != clip.key and not same_event:
                return self._read(donor)
        return None

    def synthetic(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return machine-made speech."""
        return self._drawn(self._synthetic, rng)

    def _drawn(self, recordings: Sequence[Recording], rng: np.random.Generator) -> Clip | None:
        return self._read(recordings[int(rng.integers(len(recordings)))]) if recordings else None


def sound_only(clip: Clip) -> Clip:
    """Return ``clip`` without its picture."""
    return replace(clip, frames=None, points_px=None, frames_present=np.zeros(clip.slots, dtype=bool))
