# SPDX-License-Identifier: Apache-2.0
"""Delivered lets the reader go on with a picture or sound after a crash: each slot once, and of the same content."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from cad.media.messages import Placement

#: Every so many rows and columns a pixel is compared: enough to tell pictures apart, too few to cost time.
_STEP_PX = 16


class Delivered:
    """Keeps account of what the consumer has of one stream, and tells what of a second reading is new to it.

    A second reading counts only if it begins with just what the first one gave, slot by slot; a checksum over slots
    and content stands for the frames or the sound, which are no longer there.

    Attributes:
        next_slot: The slot that the consumer gets next.
    """

    def __init__(self) -> None:
        self.next_slot = 0
        self._sum = 0
        self._read_slot = 0
        self._read_sum = 0

    @property
    def caught_up(self) -> bool:
        """Whether this reading has come to where the consumer is."""
        return self._read_slot >= self.next_slot

    def restart(self) -> None:
        """Begin another reading from slot 0."""
        self._read_slot = self._read_sum = 0

    def is_new(self, placement: Placement, content: bytes) -> bool:
        """Take what comes next in this reading, and say whether it is to be delivered.

        Args:
            placement: Its slots.
            content: What it is told from others by.

        Raises:
            ValueError: It does not follow what came before, or it differs from what was delivered for its slots.
        """
        if placement.first_slot != self._read_slot or placement.missing < 0 or placement.count < 1:
            raise ValueError(f"something for slot {placement.first_slot} where {self._read_slot} is next")
        deliver = self.caught_up
        self._read_slot += placement.missing + placement.count
        placed = zlib.crc32(struct.pack("<2q", placement.missing, placement.count), self._read_sum)
        self._read_sum = zlib.crc32(content, placed)
        if deliver:
            self.next_slot, self._sum = self._read_slot, self._read_sum
        elif self._read_slot > self.next_slot or (self.caught_up and self._read_sum != self._sum):
            raise ValueError("a second reading gives something else than the first")
        return deliver


def sampled(pixels: NDArray[np.uint8]) -> bytes:
    """Return what tells a picture, uint8 (height, width, 3), from others: its size and some of its pixels."""
    return struct.pack("<2q", *pixels.shape[:2]) + pixels[::_STEP_PX, ::_STEP_PX].tobytes()
