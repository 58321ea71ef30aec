# SPDX-License-Identifier: Apache-2.0
"""The records that a source gives the detector: frozen, with units in their names and times on cad.clock's grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cad.values import ValueRecord


class Outcome(StrEnum):
    """How reading ended; every value reaches the report in words."""

    OK = "ok"
    PARTIAL = "partial"
    UNDECODABLE = "undecodable"
    ENCRYPTED = "encrypted"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    TOO_LARGE = "too_large"
    CHANGED = "changed_while_reading"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"


class MediaKind(StrEnum):
    """What a file holds."""

    VIDEO = "video"  # moving picture, with or without sound
    IMAGE = "image"  # one still picture
    AUDIO = "audio"  # sound alone (a cover picture does not count)


@dataclass(frozen=True, slots=True)
class VideoStreamInfo:
    """A video stream as its container declares it.

    Attributes:
        codec: FFmpeg's name of it.
        width_px: Width of the upright picture as stored, before any scaling.
        height_px: Its height.
        fps: Mean rate in frames a second, measured where the container states none; 0 where nothing tells one.
        rotation_degrees: How far the stored picture is turned clockwise for display: 0, 90, 180 or 270.
        start_seconds: Presentation time of the first frame.
        declared_frames: How many frames there should be, None if not declared.
        declared_seconds: How long they should last, None if not declared.
        number: Which of the file's pictures it is, from 1.
        program: The program of a transport stream that it belongs to; None without programs.
        is_default: Whether the container marks it as the one to show.
        language: As the container tags it (``eng``); empty without a tag.
        title: Likewise.
        packets: How many packets of it the file holds, None where nobody counted them.
        encrypted_packets: How many of those are encrypted.
        stated_share: Share of the packets that the container states exactly which the file holds, in (0, 1].
    """

    codec: str
    width_px: int
    height_px: int
    fps: float
    rotation_degrees: int
    start_seconds: float
    declared_frames: int | None
    declared_seconds: float | None
    number: int = 1
    program: int | None = None
    is_default: bool = True
    language: str = ""
    title: str = ""
    packets: int | None = None
    encrypted_packets: int = 0
    stated_share: float = 1.0


@dataclass(frozen=True, slots=True)
class AudioStreamInfo:
    """An audio stream as its container declares it.

    Attributes:
        codec: FFmpeg's name of it.
        sample_rate_hz: Stored rate, before it is resampled.
        channels: Stored channels, before they are mixed.
        start_seconds: Presentation time of the first sample.
        declared_seconds: How long the sound should last, None if not declared.
        number: Which of the file's sounds it is, from 1.
        program: The program of a transport stream that it belongs to; None without programs.
        is_default: Whether the container marks it as the one to play.
        language: As the container tags it (``eng``); empty without a tag.
        title: Likewise.
        packets: How many packets of it the file holds, None where nobody counted them.
        encrypted_packets: How many of those are encrypted.
        stated_share: Share of the packets that the container states exactly which the file holds, in (0, 1].
    """

    codec: str
    sample_rate_hz: int
    channels: int
    start_seconds: float
    declared_seconds: float | None
    number: int = 1
    program: int | None = None
    is_default: bool = True
    language: str = ""
    title: str = ""
    packets: int | None = None
    encrypted_packets: int = 0
    stated_share: float = 1.0


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file says of itself.

    Attributes:
        path: The file as the caller named it.
        kind: What it holds.
        container: FFmpeg's name of its format; ``array`` for an ArraySource.
        size_bytes: Size of the file; 0 where there is none.
        duration_seconds: Length on the grid, by what is declared or by the packets of the file; 0 until it has been
            read where neither is known.
        origin_seconds: Presentation time of grid slot 0: the first instant at which any stream of the file exists, or
            less than a slot later (see cad.media.grid.origin_seconds).
        video: The picture that is judged first, None without one.
        audio: The sound that goes with it, None without any.
        sha256: Of the file's bytes, in hexadecimal; empty until the file has been read, where there is no file, and
            where it was changed meanwhile.
        videos: Every picture that can be read, ``video`` among them, in the container's order.
        audios: Every sound that can be read, ``audio`` among them, in the container's order.
        besides: What the file holds beside that and is not judged, in words: ``2 more pictures``, ``a video``.
        undecodable: The kinds, ``video`` and ``audio``, of the streams for which there is no decoder.
        joint_slots: Where the time stamps jump (joined recordings): the first slot of every later part of the timeline.
        joint_seconds: The same instants on the clock of the file's own time stamps, which jumps there.
        sandbox: What confines the process that decodes it: ``limits``, ``landlock``, ``seccomp``; None where no process
            does (ArraySource).
    """

    path: str
    kind: MediaKind
    container: str
    size_bytes: int
    duration_seconds: float
    origin_seconds: float
    video: VideoStreamInfo | None
    audio: AudioStreamInfo | None
    sha256: str = ""
    videos: tuple[VideoStreamInfo, ...] = ()
    audios: tuple[AudioStreamInfo, ...] = ()
    joint_slots: tuple[int, ...] = ()
    besides: tuple[str, ...] = ()
    undecodable: tuple[str, ...] = ()
    joint_seconds: tuple[float, ...] = ()
    sandbox: tuple[str, ...] | None = None


def in_words(pictures: int, has_video: bool) -> tuple[str, ...]:
    """Return ``MediaInfo.besides`` for so many pictures and perhaps a video beside the picture that is judged.

    Example:
        >>> in_words(2, True)
        ('2 more pictures', 'a video')
    """
    words = [f"{pictures} more picture{'s' if pictures != 1 else ''}"] if pictures else []
    return (*words, *(["a video"] if has_video else []))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VideoFrames(ValueRecord):
    """Consecutive grid slots of picture, of one size; a picture that changes its size goes on in another record.

    Attributes:
        first_slot: Grid slot of ``frames[0]``.
        frames: uint8 (slots, height, width, 3) RGB, upright (rotation applied).
        present: bool (slots,); False where no source frame lies within half a source period (or half
            a slot, whichever is longer) of the slot. The pixels of such a slot are zeros and mean nothing.
        file_scale: How many of the file's pixels a pixel of ``frames`` stands for along a side; 1 unless it was scaled
            down.
    """

    first_slot: int
    frames: NDArray[np.uint8]
    present: NDArray[np.bool_]
    file_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"frames must be uint8 (slots, height, width, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        if self.present.shape != self.frames.shape[:1]:
            raise ValueError(f"present must be ({len(self.frames)},), got {self.present.shape}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioSamples(ValueRecord):
    """The sound of a file on the grid, from slot 0.

    Attributes:
        samples: float32 (slots * 640,) mono in [-1, 1], 16 kHz.
        present: bool (slots,); False where the file has no sound at that time (late start, early end, damage).
            Samples of such a slot are zeros and mean nothing.
    """

    samples: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.shape != (len(self.present) * 640,):
            raise ValueError(
                f"samples must be float32 ({len(self.present) * 640},), got {self.samples.dtype} {self.samples.shape}"
            )

    @classmethod
    def of_blocks(cls, blocks: Iterable[SoundBlock]) -> AudioSamples | None:
        """Return the whole sound of which these are the blocks, None of none."""
        blocks = list(blocks)
        if not blocks:
            return None
        slots = blocks[-1].stop_slot
        # Memory that nothing is written to costs nothing, however long a stretch without sound is.
        samples, present = np.zeros(slots * 640, np.float32), np.zeros(slots, np.bool_)
        for block in blocks:
            samples[block.first_slot * 640 : block.stop_slot * 640] = block.samples
            present[block.first_slot : block.stop_slot] = block.present
        return cls(samples, present)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SoundBlock(ValueRecord):
    """Consecutive grid slots of a sound, some seconds of them.

    Attributes:
        first_slot: Grid slot of ``samples[0]``.
        samples: float32 (slots * 640,) as in AudioSamples.
        present: bool (slots,) likewise.
    """

    first_slot: int
    samples: NDArray[np.float32]
    present: NDArray[np.bool_]

    @property
    def stop_slot(self) -> int:
        """The slot after its last one."""
        return self.first_slot + len(self.present)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """How well a file could be read, known once all of it has been.

    Attributes:
        outcome: How reading ended.
        coverage: Packets that were decoded against those that are there or that an exact header states, the worse of
            the streams; in [0, 1].
        decoded_frames: Frames of picture that were decoded.
        decoded_audio_seconds: Seconds of sound that were decoded.
        bad_packets: Damaged packets, frames and time stamps that were met.
        text: The same in a line for a person.
        picture_seconds: How much of the grid shows a picture; less than the duration where pictures are seldom (a slide
            show), late or missing.
        sound_seconds: How much of the grid has sound.
    """

    outcome: Outcome
    coverage: float
    decoded_frames: int
    decoded_audio_seconds: float
    bad_packets: int
    text: str
    picture_seconds: float = 0.0
    sound_seconds: float = 0.0
