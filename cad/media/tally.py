# SPDX-License-Identifier: Apache-2.0
"""PacketTally counts for the coverage which packets of a stream decoded, which failed, and which gave nothing."""

from __future__ import annotations

from collections import Counter

#: Packets and frames are compared over stretches of this length. Where packets that raised no error gave no frame for
#: the whole stretch and both beside it, they were swallowed (a decoder that waits for a key frame). Single packets
#: without a frame are normal: hidden frames, fields, the padding of an encoder.
_STRETCH_SECONDS = 0.25


class PacketTally:
    """Counts the packets of one stream as they are decoded.

    Attributes:
        fed: Packets that the decoder took without an error.
        failed: Packets that it refused, or that are encrypted.
        encrypted: How many of those are encrypted.
    """

    def __init__(self) -> None:
        self.fed = 0
        self.failed = 0
        self.encrypted = 0
        self._packets: Counter[int] = Counter()
        self._shown: set[int] = set()

    def feed(self, seconds: float | None) -> None:
        """Count a packet that was taken; ``seconds`` is when it is presented, None where nothing says so."""
        self.fed += 1
        if seconds is not None:
            self._packets[int(seconds // _STRETCH_SECONDS)] += 1

    def fail(self, encrypted: bool = False) -> None:
        """Count a packet that could not be decoded."""
        self.failed += 1
        self.encrypted += encrypted

    def show(self, seconds: float | None) -> None:
        """Count a frame that came out."""
        if seconds is not None:
            self._shown.add(int(seconds // _STRETCH_SECONDS))

    @property
    def swallowed(self) -> int:
        """Packets that were taken and gave nothing; to be asked for at the end."""
        if not self._shown:
            return 0
        shown = self._shown
        return sum(count for at, count in self._packets.items() if not shown.intersection((at - 1, at, at + 1)))
