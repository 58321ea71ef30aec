# SPDX-License-Identifier: Apache-2.0
"""Donors: recordings that give forgers another voice for the genuine one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from cad.data.manifest import is_unnamed
from cad.data.records import Clip


class Donors(Protocol):
    """Where other voices come from; every method returns a clip with sound, or None when it has none."""

    def same_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return another genuine recording of the person in ``clip``."""

    def other_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return a genuine recording of somebody else."""

    def synthetic(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return speech that a machine made."""


class DonorPool:
    """Donors held in memory, without their pictures.

    Args:
        genuine: Genuine clips; those without sound are left out.
        synthetic: Machine-made speech.
    """

    def __init__(self, genuine: Iterable[Clip] = (), synthetic: Iterable[Clip] = ()) -> None:
        self._genuine = [_sound_only(clip) for clip in genuine if clip.audio is not None]
        self._synthetic = [_sound_only(clip) for clip in synthetic if clip.audio is not None]
        self._by_identity: dict[str, list[Clip]] = defaultdict(list)
        for clip in self._genuine:
            self._by_identity[clip.identity].append(clip)
        self._identities = sorted(self._by_identity)

    def same_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return another genuine recording of the person in ``clip``; None for an unnamed person."""
        if is_unnamed(clip.identity):
            return None
        others = [donor for donor in self._by_identity.get(clip.identity, ()) if donor.key != clip.key]
        return _drawn(others, rng)

    def other_speaker(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return a recording of somebody else; every person is equally likely, whatever their number of clips.

        A donor of the same event (pair_id) is passed over: dubbed twins would carry the same words.
        """
        for _ in range(8):
            if not self._identities:
                return None
            identity = self._identities[int(rng.integers(len(self._identities)))]
            donor = _drawn(self._by_identity[identity], rng)
            same_event = bool(clip.pair_id) and donor is not None and donor.pair_id == clip.pair_id
            if (
                donor is not None
                and donor.key != clip.key
                and not same_event
                and (identity != clip.identity or is_unnamed(identity))
            ):
                return donor
        return None

    def synthetic(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        """Return machine-made speech."""
        return _drawn(self._synthetic, rng)


def _drawn(clips: list[Clip], rng: np.random.Generator) -> Clip | None:
    return clips[int(rng.integers(len(clips)))] if clips else None


def _sound_only(clip: Clip) -> Clip:
    return replace(clip, frames=None, points_px=None, frames_present=np.zeros(clip.slots, dtype=bool))
