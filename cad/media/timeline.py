# SPDX-License-Identifier: Apache-2.0
"""Timeline lays the parts of a file after one another: recordings joined end to end, whose time stamps jump.

A transport stream joined by ``cat`` goes back to the beginning of time at every joint; a camera that paused goes on an
hour later. Each such part keeps its own clock, in which picture and sound belong together, and gets one offset for all
of its streams: it begins where the longest stream of the part before has ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cad.clock import FRAME_RATE_HZ, seconds_of

#: Where no stream of a file has anything for longer than this, the recording was interrupted: a joint, not a gap.
LEAP_SECONDS = 10.0
#: Streams that stop and go on within this of each other do so together.
TOGETHER_SECONDS = 1.0
#: The first packet of a piece may be this far from where the survey met it, if reading differs by a damaged packet; in
#: a piece that is shorter, half of it: the next one may begin with the same stamp.
_ORDINAL_TOLERANCE = 8
#: A cut through a transport stream marks the packets around it as damaged, though nothing of them is lost.
_NEAR_JOINT_PACKETS = 4


@dataclass(slots=True)
class Piece:
    """Packets of one stream that follow one another without a jump; times are those of the file, in seconds.

    Attributes:
        stream: Index of the stream in its container.
        is_video: Whether its packets are pictures, which may stand for as long as the container says.
        part: Number of the recording that it belongs to.
        first_packet: How many packets the stream had before it.
        first_stamp: Decoding stamp of its first packet, in ticks of the stream; None if it has none.
        start_seconds: When its first packet is presented.
        last_seconds: When its last packet is presented.
        end_seconds: When that ends, as the container says.
    """

    stream: int
    is_video: bool
    part: int
    first_packet: int
    first_stamp: int | None
    start_seconds: float = math.inf
    last_seconds: float = -math.inf
    end_seconds: float = -math.inf

    def take(self, start_seconds: float, end_seconds: float) -> None:
        """Make room for a packet that is presented then."""
        self.start_seconds = min(self.start_seconds, start_seconds)
        self.last_seconds = max(self.last_seconds, start_seconds)
        self.end_seconds = max(self.end_seconds, end_seconds)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is presented."""
        return self.start_seconds == math.inf


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to the stamps of a stream from one packet on.

    Attributes:
        first_packet, first_stamp: As in Piece.
        seconds: What is added.
        is_recording: Whether another recording begins here, not only another part of the same one.
    """

    first_packet: int
    first_stamp: int | None
    seconds: float
    is_recording: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """One clock for a whole file: the file's own time in its first part, and every later part after the one before.

    Attributes:
        shifts: By index of the stream, in order; a stream without any keeps its stamps.
        damaged: By index of the stream, the packets (counted from 0) whose stamps cannot be believed.
        start_seconds: By index of the stream, when it begins on this clock by its packets.
        end_seconds: By index of the stream, when it ends.
        joint_slots: The first slot of every part but the first.
        joint_seconds: The same instants in the file's own time.
    """

    shifts: Mapping[int, tuple[Shift, ...]] = field(default_factory=dict)
    damaged: Mapping[int, frozenset[int]] = field(default_factory=dict)
    start_seconds: Mapping[int, float] = field(default_factory=dict)
    end_seconds: Mapping[int, float] = field(default_factory=dict)
    joint_slots: tuple[int, ...] = ()
    joint_seconds: tuple[float, ...] = ()

    def shift_at(self, stream: int, packet: int) -> float:
        """Return what is added to the stamps of a stream's n-th packet, in seconds."""
        before = [shift.seconds for shift in self.shifts.get(stream, ()) if shift.first_packet <= packet]
        return before[-1] if before else 0.0


class Restamper:
    """Puts the packets of one stream on the timeline, in the order in which they are read."""

    def __init__(self, timeline: Timeline, stream: int) -> None:
        self._coming = list(timeline.shifts.get(stream, ()))
        self._damaged = timeline.damaged.get(stream, frozenset())
        self._joints = [shift.first_packet for shift in self._coming]
        self._tolerance = self._tolerance_after(0)
        self._seconds = 0.0
        self._count = 0
        self.mended = 0

    def restamp(self, packet: Any) -> bool:
        """Change the stamps of the next packet; return whether it is the first of another recording."""
        count, recording = self._count, False
        self._count += 1
        while self._coming and self._begins(self._coming[0], count, packet.dts):
            shift = self._coming.pop(0)
            self._seconds = shift.seconds
            self._tolerance = self._tolerance_after(shift.first_packet)
            recording |= shift.is_recording
        if count in self._damaged:
            self.mended += 1
            packet.pts = packet.dts = None
        elif self._seconds:
            ticks = round(self._seconds / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        return recording

    @property
    def is_near_joint(self) -> bool:
        """Whether the last packet stands beside a joint."""
        return any(abs(self._count - 1 - first) <= _NEAR_JOINT_PACKETS for first in self._joints)

    def _tolerance_after(self, first_packet: int) -> int:
        """Return how far from where it is expected the piece behind the one that begins here may begin."""
        length = self._coming[0].first_packet - first_packet if self._coming else 0
        return min(_ORDINAL_TOLERANCE, length // 2)

    def _begins(self, shift: Shift, count: int, stamp: int | None) -> bool:
        if shift.first_stamp is None:
            return count >= shift.first_packet
        if count >= shift.first_packet + self._tolerance:
            return True
        return stamp == shift.first_stamp and count >= shift.first_packet - self._tolerance


def lay_out(
    pieces: Iterable[Piece], damaged: Mapping[int, frozenset[int]], origin_seconds: float, picture: int | None = None
) -> Timeline:
    """Return the timeline of a file whose streams consist of these pieces.

    No slot of the grid, whose slot 0 lies at ``origin_seconds``, shows two parts, and in each of them the first frame
    of the stream ``picture`` lies on a slot.
    """
    kept = [piece for piece in pieces if not piece.is_empty]
    parts = [part for number in sorted({piece.part for piece in kept}) for part in _uninterrupted(kept, number)]
    shifts: dict[int, list[Shift]] = {}
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    recordings: dict[int, int] = {}
    joint_slots: list[int] = []
    joint_seconds: list[float] = []
    end = 0.0
    for index, part in enumerate(parts):
        start = min(piece.start_seconds for piece in part)
        begin = start
        if index:
            slot = max(_slots(end - origin_seconds), *joint_slots[-1:], 0)
            late = min((piece.start_seconds for piece in part if piece.stream == picture), default=start) - start
            begin = origin_seconds + seconds_of(slot + _slots(late)) - late
            joint_slots.append(slot)
            joint_seconds.append(start)
        seen: set[int] = set()
        for piece in sorted(part, key=lambda piece: piece.first_packet):
            if index > 0 and piece.stream not in seen:
                recording = recordings.get(piece.stream, piece.part) != piece.part
                shift = Shift(piece.first_packet, piece.first_stamp, begin - start, recording)
                shifts.setdefault(piece.stream, []).append(shift)
            seen.add(piece.stream)
            recordings[piece.stream] = piece.part
            starts.setdefault(piece.stream, piece.start_seconds + begin - start)
            ends[piece.stream] = max(ends.get(piece.stream, -math.inf), piece.end_seconds + begin - start)
        end = begin + max(piece.end_seconds for piece in part) - start
    shifted = {stream: tuple(shifts) for stream, shifts in shifts.items()}
    return Timeline(shifted, damaged, starts, ends, tuple(joint_slots), tuple(joint_seconds))


def _slots(seconds: float) -> int:
    """Return how many slots are needed for a time."""
    return math.ceil(seconds * FRAME_RATE_HZ - 1e-6)


def _uninterrupted(pieces: list[Piece], number: int) -> list[list[Piece]]:
    """Return the pieces of one recording, cut where none of its streams has anything for long."""
    inside = sorted((piece for piece in pieces if piece.part == number), key=lambda piece: piece.start_seconds)
    for piece in inside:
        _end_with_the_sound(piece, inside)
    parts: list[list[Piece]] = []
    end = -math.inf
    for piece in inside:
        if not parts or piece.start_seconds > end + LEAP_SECONDS:
            parts.append([])
        parts[-1].append(piece)
        end = max(end, piece.end_seconds)
    return parts


def _end_with_the_sound(picture: Piece, pieces: list[Piece]) -> None:
    """End a picture that stands for as long as the sound is away, as if both had been interrupted."""
    if not picture.is_video or picture.end_seconds - picture.last_seconds <= LEAP_SECONDS:
        return
    later = (p.start_seconds for p in pieces if p.stream == picture.stream and p.first_packet > picture.first_packet)
    goes_on = min(later, default=math.inf)
    for sound in pieces:
        if sound.is_video or abs(sound.end_seconds - picture.last_seconds) > TOGETHER_SECONDS:
            continue
        others = [p.start_seconds for p in pieces if p.stream == sound.stream and p.first_packet > sound.first_packet]
        if others and abs(min(others) - goes_on) <= TOGETHER_SECONDS:
            picture.end_seconds = max(picture.last_seconds, sound.end_seconds)
            return
