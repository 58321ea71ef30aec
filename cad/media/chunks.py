# SPDX-License-Identifier: Apache-2.0
"""ChunkBuilder gives a source its picture in chunks of a second, and uses the memory of free chunks again."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.media.records import VideoFrames

#: Slots in one chunk.
CHUNK_SLOTS = FRAME_RATE_HZ
#: How many blocks are kept for another use; a consumer holds one or two chunks at a time.
_KEPT_BLOCKS = 2


class BlockStore:
    """Gives blocks of pixels for chunks, and gives a block again once nobody refers to it any more.

    New memory costs more than copying the pixels into it, because the system hands out and clears every page.

    Args:
        shape: Of every block.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._blocks: list[NDArray[np.uint8]] = [np.empty(shape, np.uint8)]
        # A view refers to its block, so the count of references tells whether anybody still looks at it. The count of
        # an unused block is measured, because interpreters differ.
        self._unshared = self._references(0)

    def take(self) -> NDArray[np.uint8]:
        """Return a view of a block that nobody looks at; its content is arbitrary."""
        for index in range(len(self._blocks)):
            if self._references(index) <= self._unshared:
                return self._blocks[index][:]
        block = np.empty(self._shape, np.uint8)
        if len(self._blocks) < _KEPT_BLOCKS:
            self._blocks.append(block)
        return block[:]

    def _references(self, index: int) -> int:
        return sys.getrefcount(self._blocks[index])


class ChunkBuilder:
    """Collects slots into chunks of CHUNK_SLOTS; every frame has the given size in pixels.

    Attributes:
        shown: How many slots show a picture so far.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._store = BlockStore((CHUNK_SLOTS, height, width, 3))
        self._first_slot = 0
        self._used = 0
        self._frames: NDArray[np.uint8] | None = None
        self._present = np.zeros(CHUNK_SLOTS, np.bool_)
        self.shown = 0

    @property
    def next_slot(self) -> int:
        """The slot that comes next."""
        return self._first_slot + self._used

    def add(self, missing: int, pixels: NDArray[np.uint8], count: int) -> Iterator[VideoFrames]:
        """Add ``missing`` empty slots, then ``count`` that show ``pixels``; yield each chunk that becomes full.

        A chunk in which no slot would show anything is left out: an hour without a picture costs nothing.
        """
        while missing or count:
            if not self._used and missing >= CHUNK_SLOTS:
                self._first_slot += missing // CHUNK_SLOTS * CHUNK_SLOTS
                missing %= CHUNK_SLOTS
                continue
            shown = not missing
            missing, count = (missing, count - 1) if shown else (missing - 1, count)
            if self._frames is None:
                self._frames = self._store.take()
            self._frames[self._used] = pixels if shown else 0
            self._present[self._used] = shown
            self.shown += shown
            self._used += 1
            if self._used == CHUNK_SLOTS:
                yield self._take_chunk()

    def end(self) -> Iterator[VideoFrames]:
        """Yield what is left."""
        if self._used:
            yield self._take_chunk()

    def _take_chunk(self) -> VideoFrames:
        assert self._frames is not None
        chunk = VideoFrames(self._first_slot, self._frames[: self._used], self._present[: self._used].copy())
        self._first_slot += self._used
        self._used = 0
        self._frames = None  # from here on only the chunk refers to it
        return chunk
