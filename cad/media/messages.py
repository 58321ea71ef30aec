# SPDX-License-Identifier: Apache-2.0
"""parse_answer gives the reader what the decoding process says, checked.

The reader sends ``start`` (limits, how many files), ``open`` (name, with the file's descriptor), ``audio`` and
``video`` (number of the track) and ``free`` (buffer). The decoding process sends ``ready`` (what confines it) and the
answers below, each with the progress made so far.
Everything is plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from cad.media.records import MediaInfo

#: Code of a Failure for want of memory; to callers it is a limit like others.
MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far decoding of one stream has come.

    Attributes:
        decoded: Frames decoded so far (of picture or sound).
        seconds: Seconds of presentation time decoded so far; of a still the share of its picture.
        bad_packets: Damaged packets, frames and stamps met so far.
        good_packets: Packets that were decoded and whose content went onto the grid.
        lost_packets: Packets that were met and of which nothing did.
        encrypted_packets: How many of those are encrypted.
    """

    decoded: int = 0
    seconds: float = 0.0
    bad_packets: int = 0
    good_packets: int = 0
    lost_packets: int = 0
    encrypted_packets: int = 0

    def values(self) -> tuple[int | float, ...]:
        """Return all of it in the order above (``dataclasses.astuple`` takes ten times as long, with every frame)."""
        one = self
        return (one.decoded, one.seconds, one.bad_packets, one.good_packets, one.lost_packets, one.encrypted_packets)


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life."""


@dataclass(frozen=True, slots=True)
class Done:
    """The stream has been read to its end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What stopped the work: the ``code`` of a MediaError, and a line for a person."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of every frame to come until the next Layout, in pixels.

    Attributes:
        height: Of the frames.
        width: Likewise.
        file_height: Height that the file gives them, upright and with square pixels, before any scaling.
    """

    height: int
    width: int
    file_height: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The slots of one frame, or of one block of sound.

    Attributes:
        first_slot: First slot that nothing before has taken.
        missing: Empty slots from there.
        count: Slots after them that show the frame, or that the sound fills.
    """

    first_slot: int
    missing: int
    count: int

    def values(self) -> dict[str, int]:
        """Return it by name."""
        return {"first_slot": self.first_slot, "missing": self.missing, "count": self.count}


@dataclass(frozen=True, slots=True)
class Frame(Placement):
    """A frame in the shared block.

    Attributes:
        buffer: Number of its buffer, to be given back.
        offset: Where it begins in the block, in bytes.
    """

    buffer: int
    offset: int


@dataclass(frozen=True, slots=True)
class Sound(Placement):
    """Sound in the shared block: float32 samples, then one byte of presence for each slot.

    Attributes:
        buffer: Number of its buffer, to be given back.
        offset: Where it begins in the block, in bytes.
    """

    buffer: int
    offset: int


Answer = Beat | Done | Failure | Layout | Frame | Sound | MediaInfo
_SIMPLE: dict[str, type[Beat | Done | Failure | Layout | Frame | Sound]] = {
    "beat": Beat,
    "done": Done,
    "error": Failure,
    "layout": Layout,
    "frame": Frame,
    "sound": Sound,
}

_FIELDS = {record: tuple(field.name for field in fields(record)) for record in _SIMPLE.values()}


def parse_answer(message: dict[str, Any]) -> tuple[Progress, Answer]:
    """Return what a message of the decoding process says.

    Raises:
        ValueError, TypeError, KeyError: It is no such message; the process may have been taken over.
    """
    decoded, seconds, bad_packets, good, lost, encrypted = message["progress"]
    progress = Progress(int(decoded), float(seconds), int(bad_packets), int(good), int(lost), int(encrypted))
    if message["type"] == "info":
        info: MediaInfo = _as(MediaInfo, message["info"])
        return progress, info
    record = _SIMPLE[message["type"]]
    values = {name: message[name] for name in _FIELDS[record]}
    wanted = str if record is Failure else int
    if not all(type(value) is wanted for value in values.values()):
        raise ValueError(f"a {message['type']} message with other than {wanted.__name__} in it")
    return progress, record(**values)


def _as(kind: Any, raw: Any) -> Any:
    """Return ``raw`` as a value of ``kind``: a plain type, a record or tuple of such, or one of these or None."""
    if get_origin(kind) is tuple:
        return tuple(_as(get_args(kind)[0], one) for one in raw)
    if get_args(kind):
        return None if raw is None else _as(get_args(kind)[0], raw)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        hints.pop("sha256", None)  # the reader takes it itself
        return kind(**{name: _as(hint, raw[name]) for name, hint in hints.items()})
    return kind(raw)
