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


def block_bytes(limits: MediaLimits) -> int:
    """Return how much shared memory one reader gets: some 24 frames, within 64 to 192 MiB, at least 3 frames.

    It is an upper bound, since pages are taken only when they are written.
    """
    wanted = min(max(24 * limits.max_frame_bytes, 64 * _MIB), 192 * _MIB)
    return max(wanted, 3 * limits.max_frame_bytes)


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
