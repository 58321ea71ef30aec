# SPDX-License-Identifier: Apache-2.0
"""ChunkBuilder gives a source its picture in chunks of a second or less, and uses the memory of free chunks again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ
from cad.media.records import VideoFrames

#: Copies the pixels of a frame, (height, width, 3), to a first array from a second one.
Copy = Callable[[NDArray[np.uint8], NDArray[np.uint8]], None]

#: Slots in one chunk,
CHUNK_SLOTS = FRAME_RATE_HZ
#: unless so many would take more bytes than this; then it has as many as fit, or one. Each block is memory that the
#: system has to clear for every file: blocks of a second of 720p (69 MB) cost as much as copying ten seconds of it.
CHUNK_BYTES = 16_000_000
#: How many blocks are kept for another use: a consumer holds one or two chunks at a time, or so many slots of short
#: ones.
_KEPT_BLOCKS, _HELD_SLOTS = 2, 12


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
        if len(self._blocks) < max(_KEPT_BLOCKS, 1 - (-_HELD_SLOTS // self._shape[0])):
            self._blocks.append(block)
        return block[:]

    def _references(self, index: int) -> int:
        return sys.getrefcount(self._blocks[index])


def chunk_slots(height: int, width: int) -> int:
    """Return how many slots of a size make a chunk.

    Example:
        >>> chunk_slots(1080, 1920), chunk_slots(2160, 3840), chunk_slots(8000, 8000)
        (2, 1, 1)
    """
    return max(1, min(CHUNK_SLOTS, CHUNK_BYTES // (3 * height * width)))


class ChunkBuilder:
    """Collects slots into chunks of a second or less; every frame has the given size in pixels.

    Args:
        height: Of every frame.
        width: Likewise.
        file_scale: See VideoFrames.
        first_slot: The first slot that is added.

    Attributes:
        shown: How many slots show a picture so far.
    """

    def __init__(self, height: int, width: int, file_scale: float = 1.0, first_slot: int = 0) -> None:
        self.height, self.width = height, width
        self._slots = chunk_slots(height, width)
        self._store = BlockStore((self._slots, height, width, 3))
        self.file_scale = file_scale
        self._first_slot = first_slot
        self._used = 0
        self._frames: NDArray[np.uint8] | None = None
        self._present = np.zeros(self._slots, np.bool_)
        self.shown = 0

    @property
    def next_slot(self) -> int:
        """The slot that comes next."""
        return self._first_slot + self._used

    def add(self, missing: int, pixels: NDArray[np.uint8], count: int, copy: Copy = np.copyto) -> Iterator[VideoFrames]:
        """Add ``missing`` empty slots, then ``count`` that show ``pixels``; yield each chunk that becomes full.

        A chunk in which no slot would show anything is left out: an hour without a picture costs nothing.
        """
        while missing or count:
            if not self._used and missing >= self._slots:
                self._first_slot += missing // self._slots * self._slots
                missing %= self._slots
                continue
            shown = not missing
            missing, count = (missing, count - 1) if shown else (missing - 1, count)
            if self._frames is None:
                self._frames = self._store.take()
            if shown:
                copy(self._frames[self._used], pixels)
            else:
                self._frames[self._used] = 0
            self._present[self._used] = shown
            self.shown += shown
            self._used += 1
            if self._used == self._slots:
                yield self._take_chunk()

    def end(self) -> Iterator[VideoFrames]:
        """Yield what is left."""
        if self._used:
            yield self._take_chunk()

    def _take_chunk(self) -> VideoFrames:
        assert self._frames is not None
        frames, present = self._frames[: self._used], self._present[: self._used].copy()
        chunk = VideoFrames(self._first_slot, frames, present, self.file_scale)
        self._first_slot += self._used
        self._used = 0
        self._frames = None  # from here on only the chunk refers to it
        return chunk


class PictureChunks:
    """Chunks of a picture whose size may change: another size ends a chunk."""

    def __init__(self) -> None:
        self._builder: ChunkBuilder | None = None
        self._shown_before = 0

    @property
    def shown(self) -> int:
        """How many slots show a picture so far."""
        return self._shown_before + (0 if self._builder is None else self._builder.shown)

    def add(
        self, missing: int, pixels: NDArray[np.uint8], count: int, file_scale: float, copy: Copy = np.copyto
    ) -> Iterator[VideoFrames]:
        """As ChunkBuilder.add; ``file_scale`` is that of VideoFrames."""
        builder, (height, width, _) = self._builder, pixels.shape
        if builder is None or (height, width, file_scale) != (builder.height, builder.width, builder.file_scale):
            yield from self.end()
            self._shown_before = self.shown
            first = 0 if builder is None else builder.next_slot
            builder = self._builder = ChunkBuilder(height, width, file_scale, first)
        yield from builder.add(missing, pixels, count, copy)

    def end(self) -> Iterator[VideoFrames]:
        """Yield what is left."""
        if self._builder is not None:
            yield from self._builder.end()
