# SPDX-License-Identifier: Apache-2.0
"""``Windows`` gives the forgery ablation what it compares: genuine clips, their forged twins, and rows as they are."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from cad.data.augment import augment
from cad.data.forge import Donors, Need, Stream, forge, forger_names, genuine, get_forger
from cad.data.manifest import Row
from cad.data.records import LabeledClip
from cad.data.shards import ClipStore
from cad.spec import HEADS
from cad.training.batches import Sample, sample_of
from cad.training.labels import is_fake_as_shown, judged_clip, labeled_of_row
from cad.training.val_samples import ValSamples, row_windows

_NEEDED_ELSEWHERE = {Stream.VIDEO: Need.SOUND, Stream.AUDIO: Need.PICTURE}
_WINDOW, _TREATMENT = range(2)


def kinds_of(stream: Stream) -> tuple[str, ...]:
    """Return the kinds of forgery that make ``stream`` (video or audio) fake and need no other stream for it.

    Example:
        >>> "self_blend" in kinds_of(Stream.VIDEO), "shift" in kinds_of(Stream.VIDEO)
        (True, False)
    """
    forgers = [get_forger(name) for name in forger_names()]
    return tuple(one.name for one in forgers if stream in one.sets and _NEEDED_ELSEWHERE[stream] not in one.needs)


def genuine_rows(store: ClipStore, rows: list[Row], stream: Stream) -> list[Row]:
    """Return the genuine rows that have ``stream``."""
    return [row for row in rows if not row.is_fake and _has_stream(store, row, stream)]


def forged_rows(store: ClipStore, rows: list[Row], stream: Stream) -> list[Row]:
    """Return the rows whose ``stream`` is known to be fake."""
    return [row for row in rows if is_fake_as_shown(row, {stream}) and _has_stream(store, row, stream)]


def _has_stream(store: ClipStore, row: Row, stream: Stream) -> bool:
    entry = store.entry(row.path)
    return entry.has_frames if stream is Stream.VIDEO else entry.has_audio


class Windows:
    """One window of a row: genuine, forged by a kind, or as it is.

    A clip gives the same window with the same treatment whatever was forged in it, so that genuine and forged differ
    in nothing but the forgery.

    Args:
        store: Where the clips are.
        stream: The stream that is shown.
        slots: Length; shorter clips give what they have.
        donors: Other voices for a row.
        seed: Windows depend on this and the row alone.
    """

    def __init__(
        self, store: ClipStore, stream: Stream, slots: int, donors: Callable[[Row], Donors], seed: int
    ) -> None:
        self._store, self._stream, self._slots, self._donors, self._seed = store, stream, slots, donors, seed

    def treated(self, row: Row) -> Sample | None:
        """Return a random window of the row, treated as in training; None where nothing can be judged in it."""
        clip = judged_clip(self._store, row, {self._stream})
        window = genuine(clip, self._rng(row, _WINDOW), min(self._slots, clip.slots))
        return self._usable(self._treated(labeled_of_row(window.clip, row), row))

    def forged(self, row: Row, kind: str) -> Sample | None:
        """Return the window that ``treated`` gives, forged by ``kind``; None where the clip does not allow it.

        Raises:
            OptionError: There is no such kind, or it needs networks that are not there.
        """
        clip = judged_clip(self._store, row, {self._stream})
        # ``forge`` draws the place first, as ``genuine`` does: an equal generator gives the same window.
        rng, slots = self._rng(row, _WINDOW), min(self._slots, clip.slots)
        labeled = forge(clip, rng, self._donors(row), {kind: 1.0}, slots, second_share=0.0)
        sample = None if labeled is None else self._usable(self._treated(labeled, row))
        return sample if sample is not None and sample.clip_labels[self._head] == 1 else None

    def plain(self, row: Row) -> Sample | None:
        """Return the window in the middle of the row, untreated; None where nothing can be judged in it."""
        items = row_windows(self._store, [row], self._slots, 1, {self._stream})
        return self._usable(ValSamples(self._store, items, self._slots, {self._stream})[0])

    @property
    def _head(self) -> int:
        return HEADS.index(self._stream)

    def _treated(self, labeled: LabeledClip, row: Row) -> Sample:
        return sample_of(augment(labeled, self._rng(row, _TREATMENT)), self._slots)

    def _usable(self, sample: Sample) -> Sample | None:
        return sample if sample.clip_labels[self._head] >= 0 else None

    def _rng(self, row: Row, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(row.path.encode()), purpose])
