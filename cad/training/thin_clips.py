# SPDX-License-Identifier: Apache-2.0
"""``thinned`` gives a clip of a few of another one's faces, for fits of single pictures on another machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from cad.data.crop_coding import CodedCrops
from cad.data.records import Clip
from cad.data.shards import ClipStore
from cad.training.picture_faces import FaceRow


def thinned(store: ClipStore, row: FaceRow, slots: int) -> tuple[Clip, dict[str, str]]:
    """Return a clip without sound of up to ``slots`` of a row's faces, coded as they are, and the row as text.

    Its slots lie further apart in time than 40 ms: it is fit for pictures that are looked at one by one. Of a row that
    is forged in stretches the slots are those that are forged, and the stretches are taken out of the text.
    """
    whole = store.read(row.row.path)
    chosen = row.spread(slots)
    assert whole.frames is not None and whole.points_px is not None
    frames = whole.frames
    if isinstance(frames, CodedCrops):
        pieces = [(place, frames.slots(slot, slot + 1)) for place, slot in enumerate(chosen.tolist())]
        frames = CodedCrops.joined(pieces, len(chosen), row.row.path)
    else:
        frames = frames[chosen]
    clip = replace(
        whole,
        frames=frames,
        points_px=whole.points_px[chosen],
        frames_present=np.ones(len(chosen), bool),
        audio=None,
        audio_present=np.zeros(len(chosen), bool),
        start_seconds=0.0,
    )
    bare = replace(row.row, fake_segments=(), video_fake_segments=(), audio_fake_segments=())
    return clip, bare.as_text()


def at_most(rows: Iterable[FaceRow], most: int) -> Iterator[FaceRow]:
    """Return at most ``most`` rows of each source and class, the first ones; 0 for all."""
    count: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        count[row.row.source, row.is_fake] += 1
        if not most or count[row.row.source, row.is_fake] <= most:
            yield row


def shuffled(rows: Sequence[FaceRow], seed: int = 0) -> list[FaceRow]:
    """Return the rows in an order of chance, so that the first of a source are not all of one person."""
    return [rows[number] for number in np.random.default_rng(seed).permutation(len(rows))]
