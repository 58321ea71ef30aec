# SPDX-License-Identifier: Apache-2.0
"""SoundTape gives the detector stretches of a sound, without holding hours of it: a long one is decoded again.

Short sounds are kept from the first pass on. Of a long one the last minute is held; whoever wants something older
starts another decoding from the beginning. Nothing decoded is written to disk.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad.clock import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from cad.errors import DecoderCrashedError
from cad.media.records import SoundBlock
from cad.media.source import MediaSource
from cad.media.track_reading import reads_again, sound_blocks

#: So much of all sounds of a scene together is kept: 17 minutes.
KEPT_BYTES = 64 * 1024 * 1024
#: Of a sound that is not kept, this much before the newest block is held. Windows are cut from faces that the tracker
#: holds back for a few seconds, and from tracks that end a second or two later.
LOOK_BACK_SLOTS = 60 * FRAME_RATE_HZ


@dataclass(slots=True)
class KeptBytes:
    """How much more may be kept, by all tapes that share it."""

    left: int = KEPT_BYTES


class SoundTape:
    """One sound of a source: gone through once by ``listen``, then read in stretches.

    Args:
        source: Where it comes from.
        number: Which of its sounds.
        room: Shared by all tapes that are held at the same time.
        check: Called for every block that is decoded; what it raises comes out of the call.

    Attributes:
        slots: Its length, once it has been listened to.
    """

    def __init__(self, source: MediaSource, number: int, room: KeptBytes, check: Callable[[], None]) -> None:
        self._source = source
        self._number = number
        self._room = room
        self._check = check
        self._keeps = True
        self._blocks: list[SoundBlock] = []
        self._bytes = 0
        # Of every block its slots and a checksum, by which a later reading is told from the first.
        self._marks: list[tuple[int, int, int]] = []
        self._stream: Iterator[SoundBlock] = iter(())
        self._taken = 0
        self._forgotten_slot = 0
        self.slots = 0

    def listen(self) -> Iterator[SoundBlock]:
        """Yield the whole sound, block by block, for the first time.

        Raises:
            MediaError: As MediaSource.sound_blocks.
        """
        for block in sound_blocks(self._source, self._number):
            self._check()
            self._marks.append(_mark_of(block))
            self.slots = block.stop_slot
            if self._keeps:
                self._keep(block)
            yield block

    def read(self, first_slot: int, stop_slot: int) -> NDArray[np.float32]:
        """Return the samples of some slots, float32 ((stop_slot - first_slot) * 640,); zeros where there are none.

        Raises:
            DecoderCrashedError: A second decoding gives another sound than the first.
            MediaError: A second decoding was stopped.
        """
        self._check()
        if not self._keeps:
            self._wind_to(first_slot, stop_slot)
        samples = np.zeros((stop_slot - first_slot) * SAMPLES_PER_FRAME, np.float32)
        for index in range(bisect_right(self._blocks, first_slot, key=_stop_of), len(self._blocks)):
            block = self._blocks[index]
            first, stop = max(first_slot, block.first_slot), min(stop_slot, block.stop_slot)
            if first >= stop:
                break
            samples[_samples(first - first_slot, stop - first_slot)] = block.samples[
                _samples(first - block.first_slot, stop - block.first_slot)
            ]
        return samples

    def close(self) -> None:
        """Let go of what is held, and end a decoding that is under way."""
        self._stop()
        self._room.left += self._bytes
        self._bytes = 0

    def _keep(self, block: SoundBlock) -> None:
        self._blocks.append(block)
        self._bytes += block.samples.nbytes
        self._room.left -= block.samples.nbytes
        if self._room.left < 0 and reads_again(self._source):
            self._keeps = False
            self.close()

    def _wind_to(self, first_slot: int, stop_slot: int) -> None:
        """Decode on until the wanted slots are held, from the beginning if they are held no more."""
        if first_slot < self._forgotten_slot or not self._taken:
            self._stop()
            self._stream = sound_blocks(self._source, self._number)
        while self._taken < len(self._marks) and self._marks[self._taken][0] < stop_slot:
            self._check()
            block = next(self._stream, None)
            if block is None or _mark_of(block) != self._marks[self._taken]:
                raise DecoderCrashedError(
                    self._source.info.path, "a second reading of its sound gives something else than the first"
                )
            self._taken += 1
            self._blocks.append(block)
            while self._blocks[0].stop_slot < block.first_slot - LOOK_BACK_SLOTS:
                self._forgotten_slot = self._blocks.pop(0).stop_slot
        if self._taken == len(self._marks):
            self._stop_decoding()

    def _stop(self) -> None:
        self._stop_decoding()
        self._blocks.clear()
        self._taken = self._forgotten_slot = 0

    def _stop_decoding(self) -> None:
        close = getattr(self._stream, "close", None)  # an iterator of some other source may have none
        if close is not None:
            close()
        self._stream = iter(())


def _mark_of(block: SoundBlock) -> tuple[int, int, int]:
    return block.first_slot, block.stop_slot, zlib.crc32(block.present.tobytes(), zlib.crc32(block.samples.data))


def _stop_of(block: SoundBlock) -> int:
    return block.stop_slot


def _samples(first_slot: int, stop_slot: int) -> slice:
    return slice(first_slot * SAMPLES_PER_FRAME, stop_slot * SAMPLES_PER_FRAME)
