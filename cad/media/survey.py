# SPDX-License-Identifier: Apache-2.0
"""Survey goes over the packets of a file once, without decoding: what is there, and where its time stamps jump."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cad.media.grid import period_seconds
from cad.media.stamps import RateMeter, frames_per_second, packet_period_seconds
from cad.media.timeline import LEAP_SECONDS, TOGETHER_SECONDS, Piece, Timeline, lay_out

#: Stamps of packets never go back within a recording, except by what containers round.
BACK_SECONDS = 0.5
#: Where others tell of a joint, stamps that went back by more than this did so there.
SLIGHTLY_BACK_SECONDS = 0.1
#: Packets of one recording lie beside each other in the file when their times are this close.
NEAR_SECONDS = 10.0
#: A stream that has come this far in another part has left the one before behind for all.
SETTLED_SECONDS = 3.0
#: So many packets of a stream may come between the one with which another jumps back and the next, which confirms it.
_RECENT_PACKETS = 256
#: FFmpeg's guess of stamps that a container does not store may be off by so many pictures.
_GUESSED_PICTURES = 4
#: More than this is not recorded: hostile files can jump at every packet.
MAX_PIECES, MAX_DAMAGED, MAX_PACKETS = 4096, 10_000, 50_000_000


@dataclass(slots=True)
class _Suspect:
    """A packet whose stamp does not follow the one before it."""

    ordinal: int
    stamp: int | None
    seconds: float
    start_seconds: float
    end_seconds: float
    is_shown: bool
    byte: int


@dataclass(slots=True)
class StreamSurvey:
    """What the packets of one stream say.

    Attributes:
        index: Of the stream in its container.
        is_video: Whether it is a picture.
        period_seconds: How long a packet lasts that does not say so itself.
        fps: Mean rate of pictures; 0 where nothing tells one.
        packets: Packets that are there to be decoded; those that an edit list hides do not count.
        encrypted_packets: How many of them are encrypted.
        stated_share: Share of what exact headers state of it which the file holds.
        pieces: Its uninterrupted pieces.
        damaged: Packets, counted from 0, whose stamps cannot be believed.
    """

    index: int
    is_video: bool
    period_seconds: float
    fps: float = 0.0
    packets: int = 0
    encrypted_packets: int = 0
    stated_share: float = 1.0
    pieces: list[Piece] = field(default_factory=list)
    damaged: set[int] = field(default_factory=set)
    ordinal: int = 0
    last_seconds: float | None = None
    last_end_seconds: float = 0.0
    step_seconds: float = 0.0
    part_start_seconds: float = 0.0
    part_start_byte: int = 0
    byte: int = 0
    suspect: _Suspect | None = None
    recent: deque[_Suspect] = field(default_factory=deque)
    former_part: int | None = None
    rate: RateMeter = field(default_factory=RateMeter)

    @property
    def part(self) -> int:
        """The number of the recording that it has come to; -1 before its first packet."""
        return self.pieces[-1].part if self.pieces else -1

    @property
    def off_seconds(self) -> float:
        """How far off a decoding stamp may be: Matroska stores none, and FFmpeg's guess is off by some pictures."""
        return _GUESSED_PICTURES * self.period_seconds if self.is_video else 0.0

    def follows(self, seconds: float) -> bool:
        """Return whether a packet of this time goes on where the last believed one was."""
        if self.last_seconds is None:
            return True
        step = seconds - self.last_seconds
        even = min(2 * self.step_seconds, 3600.0)
        stated = step > 0 and abs(seconds - self.last_end_seconds) <= TOGETHER_SECONDS and self.is_video
        off = self.off_seconds
        return -max(BACK_SECONDS, off) <= step <= max(LEAP_SECONDS, off, even) or stated

    def has_gone_back(self, first: float, second: float) -> bool:
        """Return whether the second of two times follows the first one, which went back, more closely than the last."""
        return self.last_seconds is not None and 0 <= second - first < self.last_seconds - second

    def leaps(self, seconds: float) -> bool:
        """Return whether a packet of this time begins another piece, although it follows."""
        return self.last_seconds is not None and seconds > self.last_seconds + LEAP_SECONDS

    def is_near(self, seconds: float) -> bool:
        """Return whether a packet shown at this time belongs to what has come so far, whenever it is decoded."""
        return self.suspect is None and self.follows(seconds) and not self.leaps(seconds)

    def accept(self, packet: _Suspect) -> None:
        """Believe a packet."""
        if self.last_seconds is not None:
            self.step_seconds = max(0.0, packet.seconds - self.last_seconds)
        self.last_seconds = packet.seconds
        self.last_end_seconds = packet.seconds + packet.end_seconds - packet.start_seconds
        self.recent.append(packet)
        if len(self.recent) > _RECENT_PACKETS:
            self._settle(self.recent.popleft())

    def settle(self) -> None:
        """Count the packets that have come as those of the last piece."""
        while self.recent:
            self._settle(self.recent.popleft())

    def stepped_back(self) -> _Suspect | None:
        """Return the packet with which the stream went back a moment ago, by so little that it was let pass."""
        packets = list(self.recent)
        for before, packet in zip(packets[-2::-1], packets[:0:-1], strict=True):
            if packets[-1].seconds - packet.seconds > TOGETHER_SECONDS:
                break
            if packet.seconds < before.seconds - SLIGHTLY_BACK_SECONDS:
                return packet
        return None

    def move(self, byte: int, part: int) -> None:
        """Let what is stored from this byte on be a piece of a later part, although its stamps go on."""
        moved: deque[_Suspect] = deque()
        while self.recent and self.recent[-1].byte >= byte:
            moved.appendleft(self.recent.pop())
        if not moved:
            return
        last = (self.step_seconds, self.last_seconds, self.last_end_seconds)
        former = self.part
        if not self.recent and self.pieces[-1].is_empty and self.pieces[-1].first_packet == moved[0].ordinal:
            self.pieces.pop()
        self.begin(moved.popleft(), part, former)
        self.recent.extend(moved)
        self.step_seconds, self.last_seconds, self.last_end_seconds = last

    def _settle(self, packet: _Suspect) -> None:
        if packet.is_shown:
            self.pieces[-1].take(packet.start_seconds, packet.end_seconds)

    def begin(self, packet: _Suspect, part: int, former_part: int | None = None) -> None:
        """Begin another piece with this packet.

        Args:
            packet: The first of it.
            part: To which it belongs.
            former_part: To which it belongs if only its place in the file, not its stamp, tells of the joint.
        """
        self.settle()
        new_part = part != self.part
        self.former_part = former_part
        if len(self.pieces) < MAX_PIECES:
            self.pieces.append(Piece(self.index, self.is_video, part, packet.ordinal, packet.stamp))
        if new_part:
            self.part_start_seconds, self.part_start_byte = packet.seconds, packet.byte
            self.step_seconds, self.last_seconds = 0.0, None
        self.accept(packet)

    def pace(self, fps: float) -> None:
        """Note the rate of the pictures, and let the last of every piece stand for as long as it says."""
        self.fps = fps
        if period_seconds(fps) > self.period_seconds:
            self.period_seconds = period_seconds(fps)
            for piece in self.pieces:
                piece.end_seconds = max(piece.end_seconds, piece.last_seconds + self.period_seconds)

    def doubt(self, packet: _Suspect) -> None:
        """Note that the stamp of a packet is damaged."""
        if len(self.damaged) < MAX_DAMAGED:
            self.damaged.add(packet.ordinal)


class Survey:
    """Takes the packets of all streams in the order of the file, then tells how they lie in time.

    Args:
        streams: Of one container; only their packets count.
        in_parts: Whether, of files joined byte by byte, the place of a packet tells its part.
    """

    def __init__(self, streams: Iterable[Any], in_parts: bool = False) -> None:
        self._newest = 0
        self._in_parts = in_parts
        self._joint_bytes: list[int] = []
        self._clocks: dict[int, float] = {}
        self._described = list(streams)
        self.streams = {
            stream.index: StreamSurvey(stream.index, stream.type == "video", packet_period_seconds(stream))
            for stream in self._described
        }

    def push(self, packet: Any, is_encrypted: bool = False) -> None:
        """Take the next packet of the file."""
        stream = self.streams[packet.stream_index]
        shown = not packet.is_discard
        stream.packets += shown
        stream.encrypted_packets += shown and is_encrypted
        ordinal = stream.ordinal
        stream.ordinal += 1
        tick = float(packet.time_base)
        stamp = packet.pts if packet.dts is None else packet.dts
        if stream.is_video and shown and stamp is not None:
            stream.rate.push((stamp if packet.pts is None else packet.pts) * tick)
        if stamp is None or (packet.dts is None and stream.is_video and stream.is_near(stamp * tick)):
            # Pictures are stored in another order than they are shown: what comes next may well be shown before this.
            if not stream.pieces:
                stream.pieces.append(Piece(stream.index, stream.is_video, self._newest, 0, None))
            if shown and stamp is not None:
                stream.pieces[-1].take(stamp * tick, stamp * tick + stream.period_seconds)
            return
        stream.byte = stream.byte if packet.pos is None else packet.pos
        start = (stamp if packet.pts is None else packet.pts) * tick
        seconds = packet.duration * tick if packet.duration and packet.duration > 0 else stream.period_seconds
        if not stream.is_video:
            seconds = min(seconds, LEAP_SECONDS)
        decoded = stamp * tick
        goes_on = stream.last_seconds is not None and abs(decoded - stream.last_seconds) <= TOGETHER_SECONDS
        if goes_on and abs(start - decoded) > max(LEAP_SECONDS / 2, stream.off_seconds):
            decoded = start  # before a jump, pictures that are shown after it have to be decoded already
        self._take(stream, _Suspect(ordinal, packet.dts, decoded, start, start + seconds, shown, stream.byte))

    def finish(self, encrypted: Mapping[int, float]) -> None:
        """Settle what the last packets left open.

        Args:
            encrypted: By index of the stream, the share of it that is encrypted as a whole. Packets that say so
                themselves are counted already; those of a scrambled transport stream never came.
        """
        for index, share in encrypted.items():
            stream = self.streams.get(index)
            if stream is not None and not stream.encrypted_packets:
                unseen = max(1, round(stream.packets * share / (1 - share))) if share < 1 else int(not stream.packets)
                stream.encrypted_packets = unseen if share < 1 else stream.packets + unseen
                stream.packets += unseen
        for stream in self.streams.values():
            if stream.suspect is not None:
                stream.doubt(stream.suspect)
                stream.suspect = None
            stream.settle()
        for described in self._described:
            if described.type == "video":
                stream = self.streams[described.index]
                stream.pace(frames_per_second(described, stream.rate.rate_hz()))

    def timeline(self, origin_seconds: float | None = None, picture: int | None = None) -> Timeline:
        """Return the timeline of the file.

        Args:
            origin_seconds: When the grid begins; None: at the first packet.
            picture: Index of the stream whose frames lie on slots.
        """
        pieces = [piece for stream in self.streams.values() for piece in stream.pieces]
        if origin_seconds is None:
            first = lay_out(pieces, {}, 0.0).start_seconds.values()
            origin_seconds = min(first, default=0.0)
        damaged = {index: frozenset(stream.damaged) for index, stream in self.streams.items() if stream.damaged}
        return lay_out(pieces, damaged, origin_seconds, picture)

    def _take(self, stream: StreamSurvey, packet: _Suspect) -> None:
        if (held := stream.suspect) is not None:
            stream.suspect = None
            follows = stream.follows(packet.seconds) and not stream.has_gone_back(held.seconds, packet.seconds)
            if not follows and packet.seconds > held.seconds - BACK_SECONDS:
                self._jump(stream, held)
            else:
                stream.doubt(held)
        if not stream.pieces:
            stream.begin(packet, self._first_part(stream, packet))
        elif (part := self._left_behind(stream, packet)) is not None:
            if (first := stream.stepped_back()) is not None:
                self._joined_at(first, part)
            if stream.part == part:
                stream.accept(packet)
            else:
                stream.begin(packet, part, stream.part if stream.follows(packet.seconds) else None)
        elif not stream.follows(packet.seconds):
            stream.suspect = packet
            return
        elif stream.leaps(packet.seconds):
            stream.begin(packet, stream.part)
        else:
            stream.accept(packet)
        self._tell_time(stream, packet.seconds)

    def _jump(self, stream: StreamSurvey, packet: _Suspect) -> None:
        """Begin the piece to which a stream has jumped: of another part if it went back, or others have gone there."""
        assert stream.last_seconds is not None
        part = self._stored_in(packet, stream.part)
        back = packet.seconds < stream.last_seconds
        if back and len(stream.pieces) == 1 and packet.ordinal == stream.pieces[0].first_packet + 1:
            # Only the very first stamp lies ahead of all that follow: it is the damaged one.
            stream.damaged.add(stream.pieces.pop().first_packet)
            stream.last_seconds = None
            stream.recent.clear()
            stream.begin(packet, self._first_part(stream, packet))
        elif part is not None:
            stream.begin(packet, part)
        elif (part := self._later_part(stream, packet.seconds)) is not None:
            stream.begin(packet, part)
            if back:
                self._joined_at(packet, part)
        elif back and stream.former_part is not None and self._was_early(stream, packet):
            # Not everything behind the joint belongs to the new part: what was taken for its beginning was the end of
            # the one before.
            part, stream.pieces[-1].part = stream.part, stream.former_part
            stream.begin(packet, part)
        else:
            self._newest += back
            stream.begin(packet, self._newest if back else stream.part)
            if back:
                self._joined_at(packet, self._newest)
        self._tell_time(stream, packet.seconds)

    def _joined_at(self, packet: _Suspect, part: int) -> None:
        """Note that a part begins with this packet or before; what others have from there on belongs to it, too."""
        known, index = self._joint_bytes, part - 1
        if not self._in_parts or index > len(known) or part > MAX_PIECES:
            return
        if index == len(known):
            known.append(packet.byte)
        left = [
            stream
            for stream in self.streams.values()
            if stream.part < part
            and stream.last_seconds is not None
            and abs(stream.last_seconds - packet.seconds) < NEAR_SECONDS
        ]
        firsts = [first.byte for stream in left if (first := stream.stepped_back()) is not None]
        known[index] = max([min([known[index], packet.byte, *firsts]), *known[:index][-1:]])
        for stream in left:
            stream.move(known[index], part)

    def _stored_in(self, packet: _Suspect, after: int) -> int | None:
        """Return the part in which a packet lies in the file, if that is known and a later one than ``after``."""
        part = bisect_right(self._joint_bytes, packet.byte)
        return part if self._joint_bytes and part > after else None

    def _was_early(self, stream: StreamSurvey, packet: _Suspect) -> bool:
        """Return whether only with this packet a stream has come to where the others of its part have begun."""
        assert stream.last_seconds is not None
        clocks = [
            other.last_seconds
            for other in self._others(stream)
            if other.part == stream.part and other.former_part is None and other.last_seconds is not None
        ]
        before, now = ([abs(at - clock) for clock in clocks] for at in (stream.last_seconds, packet.seconds))
        is_short = stream.last_seconds - stream.part_start_seconds <= TOGETHER_SECONDS
        return self._in_parts and is_short and min(now, default=0.0) < min(before, default=0.0)

    def _tell_time(self, stream: StreamSurvey, seconds: float) -> None:
        """Note how far the part has come to which a stream belongs."""
        if stream.part <= MAX_PIECES:
            self._clocks[stream.part] = seconds

    def _first_part(self, stream: StreamSurvey, packet: _Suspect) -> int:
        """Return the part in which a stream begins: the one whose clock has come nearest to its first packet."""
        seconds = packet.seconds
        if (stored := self._stored_in(packet, -1)) is not None:
            return stored
        others = [(abs(seconds - other.last_seconds), -other.part)
                  for other in self._others(stream) if other.last_seconds is not None]  # fmt: skip
        return -min(others)[1] if others else 0

    def _later_part(self, stream: StreamSurvey, seconds: float) -> int | None:
        """Return the first later part that other streams have come to and whose clock stands near this time."""
        parts = [other.part for other in self._others(stream) if self._is_ahead(other, stream, seconds)]
        return min(parts, default=None)

    def _left_behind(self, stream: StreamSurvey, packet: _Suspect) -> int | None:
        """Return the part of a packet if it belongs to a later one than the packet before it, whatever its stamp."""
        if stream.part >= self._newest:
            return None
        if not self._in_parts:
            return self._overtaken(stream, packet) if stream.follows(packet.seconds) else None
        part = self._stored_in(packet, stream.part)
        is_near = part is not None and abs(packet.seconds - self._clocks.get(part, math.inf)) < NEAR_SECONDS
        return part if is_near else None

    def _overtaken(self, stream: StreamSurvey, packet: _Suspect) -> int | None:
        """Return the part of the others if they have left this stream's part behind, while its stamps seem to go on."""
        gap = packet.seconds - stream.last_end_seconds > TOGETHER_SECONDS
        parts = [
            other.part
            for other in self._others(stream)
            if self._is_ahead(other, stream, packet.seconds)
            and other.last_seconds is not None
            # Demuxers hold the last packet of a stream until its next one comes: it stands before the joint.
            and other.part_start_byte <= packet.byte
            and (gap or other.last_seconds - other.part_start_seconds > SETTLED_SECONDS)
        ]
        return min(parts, default=None)

    @staticmethod
    def _is_ahead(other: StreamSurvey, stream: StreamSurvey, seconds: float) -> bool:
        if other.part <= stream.part or other.last_seconds is None:
            return False
        return abs(seconds - other.last_seconds) < NEAR_SECONDS

    def _others(self, stream: StreamSurvey) -> list[StreamSurvey]:
        return [other for other in self.streams.values() if other is not stream]
