# SPDX-License-Identifier: Apache-2.0
"""What the two processes say to each other, and how records cross: plain JSON, checked on arrival.

To the decoding process: ``open`` (path, limits), ``audio``, ``video``, ``free`` (buffer), ``quit``.
From it: ``ready``, ``info``, ``beat`` (alive), ``layout`` (buffers to come), ``frame``, ``sound``, ``done``, ``error``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cad.media.limits import MediaLimits
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo


@dataclass(frozen=True, slots=True)
class Progress:
    """How far decoding of one stream has come; sent along with everything.

    Attributes:
        decoded: Frames decoded so far (of picture or sound).
        seconds: Seconds of presentation time decoded so far.
        bad_packets: Damaged packets, frames and stamps met so far.
    """

    decoded: int = 0
    seconds: float = 0.0
    bad_packets: int = 0

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Progress:
        """Return the progress that a message carries."""
        decoded, seconds, bad_packets = message["progress"]
        return cls(int(decoded), float(seconds), int(bad_packets))

    def to_list(self) -> list[float]:
        """Return the form in which it travels."""
        return [self.decoded, self.seconds, self.bad_packets]


def info_to_message(info: MediaInfo) -> dict[str, Any]:
    """Return ``info`` as a message."""
    return {"type": "info", "info": asdict(info)}


def info_from_message(message: dict[str, Any], path: str) -> MediaInfo:
    """Return the MediaInfo in a message, under the name that the caller used for the file.

    Raises:
        ValueError, TypeError, KeyError: The message is malformed.
    """
    raw = dict(message["info"])
    raw["path"] = path
    raw["kind"] = MediaKind(raw["kind"])
    raw["video"] = None if raw["video"] is None else VideoStreamInfo(**raw["video"])
    raw["audio"] = None if raw["audio"] is None else AudioStreamInfo(**raw["audio"])
    return MediaInfo(**raw)


def limits_to_message(limits: MediaLimits) -> dict[str, Any]:
    """Return ``limits`` in the form in which they travel."""
    return asdict(limits)


def limits_from_message(raw: dict[str, Any]) -> MediaLimits:
    """Return the limits that ``limits_to_message`` made."""
    return MediaLimits(**raw)
