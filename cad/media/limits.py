# SPDX-License-Identifier: Apache-2.0
"""MediaLimits lets the caller say what reading one file may cost; beyond that it is refused or stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

from cad.clock import FRAME_RATE_HZ
from cad.errors import MediaLimitError, OptionError
from cad.field_types import check_fields

_MIB = 1024 * 1024
#: Pictures with a longer side cannot be warped by OpenCV (it counts in 16 bits) with room to spare.
MAX_STILL_SIDE_PX = 16384


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bounds on one file; every default lets two hours of 1080p video through.

    Attributes:
        max_side_px: Frames of video with a longer side, or with more pixels than a picture of that width and 9:16 of
            its height, are scaled down in the decoding process. Not a refusal.
        max_still_pixels: Still pictures with more pixels are scaled down likewise.
        max_pixels_per_frame: A stream with larger pictures is refused.
        max_total_pixels: Decoding stops after this many pixels in all (width x height x frames).
        max_duration_seconds: A longer file is refused, or cut there if its length was not declared.
        max_streams: A file with more pictures and sounds is refused; its covers, fonts and subtitles are not counted.
        max_tracks: So many pictures and so many sounds of a file are judged; a verdict names those that are left out.
        max_file_bytes: A larger file is refused.
        max_spooled_bytes: Larger bytes or a longer stream are refused, since they are held in memory.
        memory_bytes: Address space of the decoding process (libraries and shared buffers included).
        cpu_seconds: Processor time of the decoding process for one file.
        stall_seconds: Longest silence of the decoding process while somebody waits for it.
        wall_seconds: Time for one file in all: opening, hashing and decoding it, and whatever is done with its pictures
            and sounds meanwhile. The default lets two hours of video through where a verdict takes twice as long as the
            video plays; with 1080p it took 0.4 to 1.1 times as long on two busy cores.
        open_files: File descriptors of the decoding process.
        decoder_threads: Threads of the picture decoder. With two, pictures that a decoder patches up after damage
            differ from run to run (measured on a busy machine, one damaged H.264 file: 1 to 6 of 60 readings differ,
            none of 300 with one thread), so one is what a verdict should be made with.
    """

    max_side_px: int = 4096
    max_still_pixels: int = 64_000_000
    max_pixels_per_frame: int = 64_000_000
    max_total_pixels: int = 2_000_000_000_000
    max_duration_seconds: float = 4 * 3600.0
    max_streams: int = 32
    max_tracks: int = 8
    max_file_bytes: int = 32 * 1024 * _MIB
    max_spooled_bytes: int = 1024 * _MIB
    memory_bytes: int = 2048 * _MIB
    cpu_seconds: int = 7200
    stall_seconds: float = 60.0
    wall_seconds: float = 4 * 3600.0
    open_files: int = 32
    decoder_threads: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise OptionError(f"MediaLimits.{field.name} must be above 0, got {getattr(self, field.name)}")
        if self.max_side_px < 16:
            raise OptionError(f"MediaLimits.max_side_px must be at least 16, got {self.max_side_px}")

    def check_picture(self, name: str | Path, width: int, height: int) -> None:
        """Raise MediaLimitError, which calls the file ``name``, if its pictures have too many pixels."""
        if width * height > self.max_pixels_per_frame:
            raise MediaLimitError(
                name, f"has pictures of {width}x{height} pixels; the limit is {self.max_pixels_per_frame}"
            )

    def check_declared(self, name: str | Path, seconds: float) -> None:
        """Raise MediaLimitError if the file declares to last too long."""
        if seconds > self.max_duration_seconds:
            raise MediaLimitError(name, f"lasts {seconds:.0f} s; the limit is {self.max_duration_seconds:.0f} s")

    def handed_size(self, width: float, height: float, is_still: bool) -> tuple[int, int]:
        """Return width and height at which a picture of that size (square pixels) is handed over; never enlarged.

        Example:
            >>> MediaLimits().handed_size(3840, 2160, False), MediaLimits().handed_size(7680, 4320, False)
            ((3840, 2160), (4096, 2304))
        """
        side = MAX_STILL_SIDE_PX if is_still else self.max_side_px
        scale = min(1.0, side / max(width, height), math.sqrt(self._max_pixels(is_still) / (width * height)))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def is_handed(self, width: int, height: int, is_still: bool) -> bool:
        """Say whether a picture of that size may be handed over."""
        if not 0 < min(width, height) <= max(width, height) <= (MAX_STILL_SIDE_PX if is_still else self.max_side_px):
            return False
        return width * height <= self._max_pixels(is_still) + width + height  # sides are rounded

    @property
    def max_sound_slots(self) -> int:
        """Slots that a sound may fill: a second more than the longest duration, since last frames are padded."""
        return math.ceil((self.max_duration_seconds + 1) * FRAME_RATE_HZ)

    @property
    def max_frame_bytes(self) -> int:
        """Bytes of the largest frame of video that is handed over (RGB, after scaling)."""
        return 3 * self._max_pixels(is_still=False)

    def _max_pixels(self, is_still: bool) -> int:
        return self.max_still_pixels if is_still else max(1, self.max_side_px * self.max_side_px * 9 // 16)
