# SPDX-License-Identifier: Apache-2.0
"""parse_answer gives the reader what the decoding process says, checked; the messages of both sides are made here.

To the decoding process: ``open`` (name, limits, with the file's descriptor), ``audio``, ``video``, ``free`` (buffer).
From it, with the progress made so far: ``ready`` and the answers below. Everything is plain JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from cad.media.limits import MediaLimits
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo


@dataclass(frozen=True, slots=True)
class Progress:
    """How far decoding of one stream has come.

    Attributes:
        decoded: Frames decoded so far (of picture or sound).
        seconds: Seconds of presentation time decoded so far.
        bad_packets: Damaged packets, frames and stamps met so far.
    """

    decoded: int = 0
    seconds: float = 0.0
    bad_packets: int = 0


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life."""


@dataclass(frozen=True, slots=True)
class Done:
    """The stream has been read to its end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What stopped the work.

    Attributes:
        code: ``code`` of a MediaError.
        text: A line for a person.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of every frame to come.

    Attributes:
        height: In pixels.
        width: In pixels.
    """

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in the shared block.

    Attributes:
        buffer: Number of its buffer, to be given back.
        offset: Where it begins in the block, in bytes.
        first_slot: First slot that no frame before has taken.
        missing: Empty slots from there.
        count: Slots after them that show it.
    """

    buffer: int
    offset: int
    first_slot: int
    missing: int
    count: int


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound in the shared block: float32 samples, then one byte of presence for each slot.

    Attributes:
        buffer: Number of its buffer, to be given back.
        offset: Where it begins in the block, in bytes.
        first_slot: Its first slot.
        slots: How many slots it fills.
    """

    buffer: int
    offset: int
    first_slot: int
    slots: int


Answer = Beat | Done | Failure | Layout | Frame | Sound | MediaInfo
_SIMPLE: dict[str, type[Beat | Done | Failure | Layout | Frame | Sound]] = {
    "beat": Beat,
    "done": Done,
    "error": Failure,
    "layout": Layout,
    "frame": Frame,
    "sound": Sound,
}


def parse_answer(message: dict[str, Any]) -> tuple[Progress, Answer]:
    """Return what a message of the decoding process says.

    Raises:
        ValueError, TypeError, KeyError: It is none; the process may have been taken over.
    """
    decoded, seconds, bad_packets = message["progress"]
    progress = Progress(int(decoded), float(seconds), int(bad_packets))
    if message["type"] == "info":
        return progress, _info(message["info"])
    record = _SIMPLE[message["type"]]
    values = {field.name: message[field.name] for field in fields(record)}
    wanted = str if record is Failure else int
    if not all(type(value) is wanted for value in values.values()):
        raise ValueError(f"a {message['type']} message with other than {wanted.__name__} in it")
    return progress, record(**values)


def progress_to_list(progress: Progress) -> list[float]:
    """Return the form in which progress travels."""
    return [progress.decoded, progress.seconds, progress.bad_packets]


def info_to_message(info: MediaInfo) -> dict[str, Any]:
    """Return ``info`` as a message."""
    return {"type": "info", "info": asdict(info)}


def limits_to_message(limits: MediaLimits) -> dict[str, Any]:
    """Return ``limits`` in the form in which they travel."""
    return asdict(limits)


def limits_from_message(raw: dict[str, Any]) -> MediaLimits:
    """Return the limits that ``limits_to_message`` made."""
    return MediaLimits(**raw)


def _info(raw: dict[str, Any]) -> MediaInfo:
    video, audio = raw["video"], raw["audio"]
    return MediaInfo(
        path=str(raw["path"]),
        kind=MediaKind(raw["kind"]),
        container=str(raw["container"]),
        size_bytes=int(raw["size_bytes"]),
        duration_seconds=float(raw["duration_seconds"]),
        origin_seconds=float(raw["origin_seconds"]),
        video=None if video is None else _video_info(video),
        audio=None if audio is None else _audio_info(audio),
    )


def _video_info(raw: dict[str, Any]) -> VideoStreamInfo:
    return VideoStreamInfo(
        codec=str(raw["codec"]),
        width_px=int(raw["width_px"]),
        height_px=int(raw["height_px"]),
        fps=float(raw["fps"]),
        rotation_degrees=int(raw["rotation_degrees"]),
        start_seconds=float(raw["start_seconds"]),
        declared_frames=_optional(int, raw["declared_frames"]),
        declared_seconds=_optional(float, raw["declared_seconds"]),
    )


def _audio_info(raw: dict[str, Any]) -> AudioStreamInfo:
    return AudioStreamInfo(
        codec=str(raw["codec"]),
        sample_rate_hz=int(raw["sample_rate_hz"]),
        channels=int(raw["channels"]),
        start_seconds=float(raw["start_seconds"]),
        declared_seconds=_optional(float, raw["declared_seconds"]),
    )


def _optional(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)
