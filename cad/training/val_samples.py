# SPDX-License-Identifier: Apache-2.0
"""``ValSamples`` gives validation its fixed windows: val rows as they are, and genuine ones with foreign sound."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from torch.utils.data import Dataset

from cad.clock import seconds_of
from cad.data.manifest import Row
from cad.data.records import LabeledClip
from cad.data.shards import ClipEntry, ClipStore
from cad.training.batches import Sample, sample_of
from cad.training.labels import fake_starts, judged_span, labeled_of_row, only_streams

#: The stated test of synchrony shifts genuine clips by 0.2 to 1 s.
SHIFT_SLOTS = (5, 25)
#: Shorter windows are not scored.
MIN_SLOTS = 20


class Part(StrEnum):
    """What a validation sample is for."""

    ROWS = "rows"  # the row as it is
    IN_SYNC = "in_sync"  # genuine, the window that the two below are compared with
    SHIFTED = "shifted"  # the same pictures with sound cut elsewhere in the clip
    OTHER = "other"  # the same pictures with another person's sound


@dataclass(frozen=True, slots=True)
class ValWindow:
    """One fixed validation window.

    Attributes:
        row: Whose picture (or, without one, sound).
        part: What it is for.
        start: First slot.
        slots: Length.
        shift: By how many slots the sound lags (SHIFTED).
        voice: Row that the sound is taken from (OTHER).
    """

    row: Row
    part: Part
    start: int
    slots: int
    shift: int = 0
    voice: str = ""


class ValSamples(Dataset[Sample]):
    """The windows of ``items``, in order.

    Args:
        store: Where the clips are.
        items: What to show.
        slots: Length that every sample is filled up to.
        streams: Which of video and audio are shown.
    """

    def __init__(self, store: ClipStore, items: Sequence[ValWindow], slots: int, streams: Collection[str]) -> None:
        self.items = tuple(items)
        self._store = store
        self._slots = slots
        self._streams = streams

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Sample:
        return sample_of(self._labeled(self.items[number]), self._slots)

    def _labeled(self, item: ValWindow) -> LabeledClip:
        clip = only_streams(self._store.read(item.row.path, item.start, item.start + item.slots), self._streams)
        labeled = labeled_of_row(clip, item.row)
        if item.part is Part.SHIFTED:
            # Sound that lags comes from earlier in the clip.
            voice = self._store.read(item.row.path, item.start - item.shift, item.start - item.shift + item.slots)
        elif item.part is Part.OTHER:
            voice = self._store.read(item.voice, 0, item.slots)
        else:
            return labeled
        return replace(
            labeled,
            clip=replace(clip, audio=voice.audio, audio_present=voice.audio_present),
            sync_fake=np.ones(item.slots, np.float32),
            offset_seconds=seconds_of(item.shift) if item.part is Part.SHIFTED else None,
            methods=(str(item.part),),
        )


def row_windows(
    store: ClipStore, rows: Sequence[Row], slots: int, windows: int, streams: Collection[str]
) -> list[ValWindow]:
    """Return up to ``windows`` evenly spread windows of each row.

    Where none of them meets a forged stretch of its row, the nearest one is moved so that it does: a row that is forged
    in half a second of its middle and judged at its ends would count as genuine.
    """
    items = []
    for row in rows:
        span = judged_span(store.entry(row.path), streams)
        first, available = span.start, span.stop - span.start
        length = min(slots, available)
        count = min(windows, 1 + (available - length) // max(length // 2, 1))
        starts = np.linspace(0, available - length, count + 2)[1:-1] if count > 1 else [(available - length) / 2]
        chosen = _meeting_forged(store.entry(row.path), row, streams, [round(float(start)) for start in starts], length)
        items += [ValWindow(row, Part.ROWS, first + start, length) for start in chosen]
    return items


def _meeting_forged(entry: ClipEntry, row: Row, streams: Collection[str], starts: list[int], length: int) -> list[int]:
    fake = fake_starts(entry, row, streams, length)
    if fake is not None and len(fake) and not set(starts) & set(fake.tolist()):
        gaps = np.abs(fake[None] - np.array(starts)[:, None])
        moved, to = np.unravel_index(int(gaps.argmin()), gaps.shape)
        starts[int(moved)] = int(fake[to])
    return sorted(starts)


def sync_windows(store: ClipStore, rows: Sequence[Row], slots: int) -> list[ValWindow]:
    """Return three windows of each genuine row with face and voice: in sync, shifted, and with somebody else's sound.

    The shift follows from the row's name, so that it never changes.
    """
    entries = {row.path: store.entry(row.path) for row in rows}
    genuine = [row for row in rows if not row.is_fake and entries[row.path].has_frames and entries[row.path].has_audio]
    items = []
    for number, row in enumerate(genuine):
        rng = np.random.default_rng(zlib.crc32(row.path.encode()))
        span = judged_span(entries[row.path], ("video", "audio"))
        first, available = span.start, span.stop - span.start
        largest = min(SHIFT_SLOTS[1], available - MIN_SLOTS)
        if largest < SHIFT_SLOTS[0]:
            continue
        lag = int(rng.integers(SHIFT_SLOTS[0], largest + 1))
        length = min(slots, available - lag)
        sign = 1 if rng.random() < 0.5 else -1
        start = first + (lag if sign > 0 else 0)
        items += [
            ValWindow(row, Part.IN_SYNC, start, length),
            ValWindow(row, Part.SHIFTED, start, length, shift=sign * lag),
        ]
        voice = _other_voice(store, genuine, number, length)
        if voice is not None:
            items.append(ValWindow(row, Part.OTHER, start, length, voice=voice.path))
    return items


def _other_voice(store: ClipStore, genuine: Sequence[Row], number: int, length: int) -> Row | None:
    """Return the next genuine row of another person that is long enough."""
    row = genuine[number]
    for step in range(1, len(genuine)):
        other = genuine[(number + step) % len(genuine)]
        entry = store.entry(other.path)
        same = other.identity == row.identity or (row.pair_id and other.pair_id == row.pair_id)
        if not same and entry.slots >= length and entry.audio_present[:length].all():
            return other
    return None


def limited(rows: Sequence[Row], per_source: int | None) -> list[Row]:
    """Return at most ``per_source`` rows of each source and label, always the same ones, in their order."""
    if per_source is None:
        return list(rows)
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.source, row.label].append(row)
    kept: set[str] = set()
    for group in groups.values():
        ordered = sorted(group, key=lambda row: zlib.crc32(row.path.encode()))
        kept.update(row.path for row in ordered[:per_source])
    return [row for row in rows if row.path in kept]
