# SPDX-License-Identifier: Apache-2.0
"""SharedBlock gives both processes memory that has no name, so that nothing can be left behind.

The block is cut into equal buffers. The decoding process fills a buffer and says so on the channel; the reader copies
it out and gives it back. The decoder waits while no buffer is free, so it never runs far ahead.
"""

from __future__ import annotations

import contextlib
import mmap
import os

import numpy as np
from numpy.typing import NDArray

from cad.media.anonymous import anonymous_file, seal
from cad.media.limits import MediaLimits

_MIB = 1024 * 1024
#: More buffers than this, a second of picture, are never needed.
MAX_BUFFERS = 25
#: Together they take no more memory than this (a second of 720p), but for two of them.
MAX_BUFFERS_BYTES = 70_000_000
#: Of buffers above this size the reader keeps nothing in its memory once it has copied them, piece by piece.
LARGE_BUFFER_BYTES, _PIECE_BYTES = 8_000_000, 4 << 20


def block_bytes(limits: MediaLimits) -> int:
    """Return how much shared memory one reader gets: some 24 frames within 64 to 192 MiB, but 3 frames or a still fit.

    It is an upper bound, since pages are taken only when they are written.
    """
    wanted = min(max(24 * limits.max_frame_bytes, 64 * _MIB), 192 * _MIB)
    return max(wanted, 3 * limits.max_frame_bytes, 3 * limits.max_still_pixels)


def buffers_in(block_size_bytes: int, buffer_bytes: int) -> int:
    """Return how many buffers a block is cut into: a second of picture, or fewer where they are large.

    Every page that the decoder fills is counted in both processes, and large frames are waited for longer than copied.
    """
    few = max(2, MAX_BUFFERS_BYTES // buffer_bytes)
    return min(block_size_bytes // buffer_bytes, few, MAX_BUFFERS)


class SharedBlock:
    """Anonymous shared memory, made by the reader and inherited by the decoding process as a descriptor.

    Args:
        size_bytes: Size of the block.
        fd: Descriptor of an existing block, or None to make one.
    """

    def __init__(self, size_bytes: int, fd: int | None = None) -> None:
        self.size_bytes = size_bytes
        if fd is None:
            fd = anonymous_file("cad-frames")
            os.ftruncate(fd, size_bytes)
            seal(fd, writable=True)  # a decoder that shrank the block would kill the reader with SIGBUS
        self.fd = fd
        self.memory = mmap.mmap(self.fd, size_bytes)

    def release_pages(self) -> None:
        """Give the memory back to the system and keep the block (a worker that waits for its next file is small)."""
        if hasattr(mmap, "MADV_REMOVE"):
            with contextlib.suppress(OSError):
                self.memory.madvise(mmap.MADV_REMOVE)

    def copy_out(self, offset: int, target: NDArray[np.uint8]) -> None:
        """Copy bytes from ``offset`` on to an array; large ones so that they take no memory here beside the copy."""
        flat = target.reshape(-1)
        step = _PIECE_BYTES if target.nbytes > LARGE_BUFFER_BYTES else target.nbytes
        for at in range(0, target.nbytes, step):
            piece = flat[at : at + step]
            piece[:] = np.frombuffer(self.memory, np.uint8, len(piece), offset + at)
            if target.nbytes > LARGE_BUFFER_BYTES and hasattr(mmap, "MADV_DONTNEED"):
                first = (offset + at) // mmap.PAGESIZE * mmap.PAGESIZE
                # The memory itself is shared, and stays; only this process lets go of it.
                self.memory.madvise(mmap.MADV_DONTNEED, first, offset + at + len(piece) - first)

    def close(self) -> None:
        """Unmap and close; the memory is gone when both sides have done so or died."""
        with contextlib.suppress(BufferError):
            self.memory.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
