# SPDX-License-Identifier: Apache-2.0
"""``TrainSamples`` gives training its samples: number n is the same in every process, run and order of reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from cad.data.forge import DEFAULT_WEIGHTS, Donors, forge, genuine
from cad.data.manifest import Row
from cad.data.records import Clip, LabeledClip
from cad.data.shards import ClipStore
from cad.errors import OptionError
from cad.training.batches import Sample, sample_of
from cad.training.donors import StoreDonors
from cad.training.draw import Draw, Mix, SampleKind
from cad.training.labels import (
    fake_starts,
    is_fake_as_shown,
    judged_clip,
    judged_span,
    labeled_of_row,
    only_streams,
)

Augment = Callable[[LabeledClip, np.random.Generator], LabeledClip]

#: Clips that are drawn before a forgery is given up because none of them allows it.
_FORGE_TRIES = 8


@dataclass(frozen=True, slots=True)
class WindowLengths:
    """How long training windows are, in 25 Hz slots; clips that are shorter give what they have.

    Attributes:
        slots: The usual length, and what every sample is filled up to.
        short_slots: The other length.
        short_share: How often the other length is drawn.
        forged_share: How often the window of a row that is forged in stretches is drawn among those with a forged part;
            else it lies anywhere, and is genuine where nothing in it is forged.
    """

    slots: int = 50
    short_slots: int = 30
    short_share: float = 0.2
    forged_share: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.short_slots <= self.slots or not 0 <= self.short_share <= 1 or not 0 <= self.forged_share <= 1:
            raise OptionError(f"need 0 < short_slots <= slots, and shares in [0, 1], got {self}")

    def draw(self, rng: np.random.Generator, available: int) -> int:
        """Return a length that a clip of ``available`` slots has."""
        wanted = self.short_slots if rng.random() < self.short_share else self.slots
        return min(wanted, available)


@dataclass(frozen=True, slots=True)
class ForgeOptions:
    """Which forgeries are made on the fly.

    Attributes:
        weights: Likelihood of each kind by its registered name; None for the forge's own choice.
        second_share: How often a second one, of another stream, is added.
    """

    weights: dict[str, float] | None = None
    second_share: float = 0.2


class TrainSamples(Dataset[Sample]):
    """Endless training samples by number.

    Args:
        store: Where the clips are.
        rows: Training rows.
        mix: Share of each kind of sample.
        lengths: How long windows are.
        forging: Which forgeries are made.
        source_power: See ``Draw``.
        streams: Which of video and audio are shown.
        augment: The treatment of both classes after forging; None for none.
        seed: Sample n depends on this and n alone.
        set_weights: See ``Draw``.

    Raises:
        DataError: See ``Draw``.
    """

    def __init__(
        self,
        store: ClipStore,
        rows: Sequence[Row],
        mix: Mix,
        lengths: WindowLengths,
        forging: ForgeOptions,
        source_power: float,
        streams: Collection[str],
        augment: Augment | None,
        seed: int,
        set_weights: Mapping[str, float] | None = None,
    ) -> None:
        self._store = store
        self._draw = Draw(_rows_to_draw(store, rows, streams), mix, source_power, set_weights)
        self._donors: Donors = StoreDonors(store, rows)
        self._lengths = lengths
        self._weights: Mapping[str, float] = DEFAULT_WEIGHTS if forging.weights is None else forging.weights
        self._second_share = forging.second_share
        self._streams = streams
        self._augment = augment
        self._seed = seed

    @property
    def kinds_without_rows(self) -> list[SampleKind]:
        """Kinds that have a share of the mix, and no row."""
        return self._draw.without_rows

    def __getitem__(self, number: int) -> Sample:
        rng = np.random.default_rng([self._seed, number])
        labeled = self._labeled(rng)
        if self._augment is not None:
            labeled = self._augment(labeled, rng)
        return sample_of(labeled, self._lengths.slots)

    def _labeled(self, rng: np.random.Generator) -> LabeledClip:
        for _ in range(_FORGE_TRIES):
            kind, row = self._draw(rng)
            labeled = self._made(kind, row, rng)
            if labeled is not None:
                return labeled
        # No clip that was drawn could be forged: the last one is shown as it is.
        return labeled_of_row(self._window(row, rng), row)

    def _made(self, kind: SampleKind, row: Row, rng: np.random.Generator) -> LabeledClip | None:
        if kind in (SampleKind.FAKE, SampleKind.FAKE_SPEECH):
            return labeled_of_row(self._window(row, rng), row)
        clip = judged_clip(self._store, row, self._streams)
        slots = self._lengths.draw(rng, clip.slots)
        if kind in (SampleKind.GENUINE, SampleKind.GENUINE_SPEECH):
            return genuine(clip, rng, slots)
        return forge(clip, rng, self._donors, self._weights, slots, self._second_share)

    def _window(self, row: Row, rng: np.random.Generator) -> Clip:
        entry = self._store.entry(row.path)
        span = judged_span(entry, self._streams)
        available = span.stop - span.start
        length = self._lengths.draw(rng, available)
        starts = fake_starts(entry, row, self._streams, length)
        if starts is not None and len(starts) and rng.random() < self._lengths.forged_share:
            first = span.start + int(rng.choice(starts))
        else:
            first = span.start + int(rng.integers(0, available - length + 1))
        return only_streams(self._store.read(row.path, first, first + length), self._streams)


def _rows_to_draw(
    store: ClipStore, rows: Sequence[Row], streams: Collection[str]
) -> dict[tuple[bool, bool], list[Row]]:
    found = defaultdict(list)
    for row in rows:
        is_fake = is_fake_as_shown(row, streams)
        if is_fake is not None:
            found[store.entry(row.path).has_frames, is_fake].append(row)
    return found
