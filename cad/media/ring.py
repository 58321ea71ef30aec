# SPDX-License-Identifier: Apache-2.0
"""SharedBlock gives both processes memory that has no name, so that nothing can be left behind.

The block is cut into equal buffers. The decoding process fills a buffer and says so on the channel; the reader copies
it out and gives it back. The decoder waits while no buffer is free, so it never runs far ahead.
"""

from __future__ import annotations

import contextlib
import mmap
import os

from cad.media.anonymous import anonymous_file, seal
from cad.media.limits import MediaLimits

_MIB = 1024 * 1024
#: More buffers than this, a second of picture, are never needed.
MAX_BUFFERS = 25
#: Buffers above this size (1080p has 6 MB) take no more memory together than the second figure, but for two of them.
LARGE_BUFFER_BYTES, MAX_BUFFERS_BYTES = 8_000_000, 80_000_000


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
    few = max(2, MAX_BUFFERS_BYTES // buffer_bytes) if buffer_bytes > LARGE_BUFFER_BYTES else MAX_BUFFERS
    return min(block_size_bytes // buffer_bytes, few)


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

    def close(self) -> None:
        """Unmap and close; the memory is gone when both sides have done so or died."""
        with contextlib.suppress(BufferError):
            self.memory.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
