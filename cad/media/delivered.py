# SPDX-License-Identifier: Apache-2.0
"""DeliveredFrames lets the reader go on with a picture after a crash: each slot once, and of the same picture."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from cad.media.messages import Placement

#: Every so many rows and columns a pixel is compared: enough to tell pictures apart, too few to cost time.
_STEP_PX = 16


class DeliveredFrames:
    """Keeps account of the frames that the consumer has, and tells which frames of a second reading are new to it.

    A second reading counts only if it begins with just what the first one gave, slot by slot; a checksum over slots
    and sampled pixels stands for the frames, which are no longer there.

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

    def is_new(self, frame: Placement, pixels: NDArray[np.uint8]) -> bool:
        """Take the next frame of this reading, and say whether it is to be delivered.

        Raises:
            ValueError: It does not follow the one before, or it differs from what was delivered for its slots.
        """
        if frame.first_slot != self._read_slot or frame.missing < 0 or frame.count < 1:
            raise ValueError(f"a frame for slot {frame.first_slot} where {self._read_slot} is next")
        deliver = self.caught_up
        self._read_slot += frame.missing + frame.count
        placed = zlib.crc32(struct.pack("<4q", frame.missing, frame.count, *pixels.shape[:2]), self._read_sum)
        self._read_sum = zlib.crc32(pixels[::_STEP_PX, ::_STEP_PX].tobytes(), placed)
        if deliver:
            self.next_slot, self._sum = self._read_slot, self._read_sum
        elif self._read_slot > self.next_slot or (self.caught_up and self._read_sum != self._sum):
            raise ValueError("a second reading gives other pictures than the first")
        return deliver
