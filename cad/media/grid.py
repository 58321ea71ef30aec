# SPDX-License-Identifier: Apache-2.0
"""PicturePlacer tells a source which frame belongs to which slot of the 25 Hz grid: by time stamp, never by index."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from cad.clock import FRAME_RATE_HZ, seconds_of, slot_of
from cad.errors import MediaLimitError
from cad.media.limits import MediaLimits
from cad.media.messages import Placement, Progress
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo

T = TypeVar("T")

#: Containers round time stamps to a millisecond (Matroska, FLV) or worse; a frame is not missing because of it.
STAMP_ROUNDING_SECONDS = 0.001
#: A frame may stand for at most this much time before and after its stamp, however slow the source says it is:
#: below 5 pictures a second there is no movement of lips to judge.
MAX_REACH_SECONDS = 0.1
#: Pictures whose stamps say that they change places within so many are neither damaged nor lost.
_SWAPPED_PICTURES = 2
#: A stamp that leaps further ahead than this is believed only if the next one follows it.
SUSPECT_LEAP_SECONDS = 10.0


def period_seconds(fps: float) -> float:
    """Return how long a frame is shown: a slot where the rate is not known (0)."""
    return 1 / fps if fps > 0 else 1 / FRAME_RATE_HZ


def reach_seconds(fps: float) -> float:
    """Return how far from its stamp a frame may serve a slot: half a source period or half a slot, the longer.

    Example:
        >>> round(reach_seconds(50.0), 4), round(reach_seconds(10.0), 4), round(reach_seconds(0.0), 4)
        (0.021, 0.051, 0.021)
    """
    return min(max(period_seconds(fps), period_seconds(0)) / 2, MAX_REACH_SECONDS) + STAMP_ROUNDING_SECONDS


def origin_seconds(video: VideoStreamInfo | None, *others: VideoStreamInfo | AudioStreamInfo | None) -> float:
    """Return the time of grid slot 0: the first instant at which any of the streams exists; 0 without any.

    Where the sound comes first, the grid begins a whole number of slots before the picture (less than a slot after the
    sound), so that pictures at 25 a second lie on slots, not halfway between two: most encoders let the sound begin
    some 20 ms before the picture.
    """
    starts = [stream.start_seconds for stream in (video, *others) if stream is not None]
    first = min(starts, default=0.0)
    if video is None:
        return first
    return video.start_seconds - seconds_of(slot_of(video.start_seconds - first))


class FramePlacer:
    """Assigns each slot the nearest frame within reach, in one pass over frames in order of presentation.

    The slots of a frame are known only when the next frame's time is, so each answer is about the frame before.

    Args:
        reach: See reach_seconds.

    Example:
        >>> placer = FramePlacer(reach_seconds(25.0))
        >>> placer.next_frame(0.0), placer.next_frame(0.04), placer.end()
        (None, Placement(first_slot=0, missing=0, count=1), Placement(first_slot=1, missing=0, count=1))
    """

    def __init__(self, reach: float) -> None:
        self._reach = reach
        self._last_seconds: float | None = None
        self.next_slot = 0

    def is_late(self, seconds: float) -> bool:
        """Return whether a frame of this time cannot be placed because it does not come after the one before it."""
        return self._last_seconds is not None and seconds <= self._last_seconds

    def next_frame(self, seconds: float) -> Placement | None:
        """Take the time of the next frame (grid time) and return where the frame before it goes, if anywhere."""
        last, self._last_seconds = self._last_seconds, seconds
        if last is None:
            return None
        return self._place(last, min(last + self._reach, (last + seconds) / 2))

    def end(self) -> Placement | None:
        """Return where the last frame goes, if anywhere."""
        last, self._last_seconds = self._last_seconds, None
        return None if last is None else self._place(last, last + self._reach)

    def _place(self, seconds: float, until_seconds: float) -> Placement | None:
        first = max(self.next_slot, math.ceil((seconds - self._reach) * FRAME_RATE_HZ - 1e-6))
        stop = math.floor(until_seconds * FRAME_RATE_HZ + 1e-6) + 1
        if stop <= first:
            return None
        placement = Placement(self.next_slot, first - self.next_slot, stop - first)
        self.next_slot = stop
        return placement


class StampFilter:
    """Drops a frame whose stamp leaps ahead if the next frame does not follow it: one damaged stamp is no gap.

    Args:
        end_seconds: When the stream ends as far as is known: a last frame up to then is believed.

    Attributes:
        dropped: How many frames have been dropped so far.
    """

    def __init__(self, end_seconds: float = -math.inf) -> None:
        self._end_seconds = end_seconds
        self.dropped = 0

    def __call__(self, stamped: Iterable[tuple[float, T]]) -> Iterator[tuple[float, T]]:
        """Yield the credible pairs of (seconds, frame), in the same order."""
        last: float | None = None
        suspect: tuple[float, T] | None = None
        for seconds, item in stamped:
            if suspect is not None:
                if seconds > suspect[0]:
                    yield suspect
                    last = suspect[0]
                else:
                    self.dropped += 1
                suspect = None
            if last is not None and seconds > last + SUSPECT_LEAP_SECONDS:
                suspect = (seconds, item)
                continue
            last = seconds if last is None else max(last, seconds)
            yield seconds, item
        if suspect is not None and suspect[0] <= self._end_seconds:
            yield suspect
        elif suspect is not None:
            self.dropped += 1


class PicturePlacer:
    """Places the frames of one file on the grid, counts what was decoded, and stops at the limits.

    Args:
        info: Of the file.
        fps: Mean rate of its picture; 0 where nothing states one.
        limits: What the file may cost.
        size_of: Returns the width and height of a frame in pixels.
        end_seconds: When the picture ends on the grid, as far as is known.
    """

    def __init__(
        self,
        info: MediaInfo,
        fps: float,
        limits: MediaLimits,
        size_of: Callable[[Any], tuple[int, int]],
        end_seconds: float = -math.inf,
    ) -> None:
        self._info, self._limits, self._size_of = info, limits, size_of
        self._period_seconds = period_seconds(fps)
        self._placer = FramePlacer(reach_seconds(fps))
        self._stamps = StampFilter(end_seconds)
        self._decoded, self._late, self._pixels, self._seconds = 0, 0, 0, 0.0

    @property
    def misplaced(self) -> int:
        """Frames that were decoded, and whose stamps do not say where they belong."""
        return self._stamps.dropped + self._late

    def progress(self, bad_packets: int = 0) -> Progress:
        """Return how far the picture has come; frames with an unusable stamp are added to ``bad_packets``."""
        return Progress(self._decoded, self._seconds, bad_packets + self.misplaced)

    def __call__(self, stamped: Iterable[tuple[float, Any]]) -> Iterator[tuple[Placement, Any]]:
        """Yield each frame that serves a slot, with its place; ``stamped`` gives (grid time, frame).

        Raises:
            MediaLimitError: The picture exceeds a limit.
        """
        held: Any = None
        for seconds, frame in self._stamps(stamped):
            if self._info.kind is MediaKind.IMAGE:
                self._decoded, self._seconds = 1, 1.0
                yield Placement(0, 0, 1), frame
                return
            if self._placer.is_late(seconds):
                # Where a container stamps only some pictures, two neighbours may change places: no time is lost.
                self._late += seconds < self._seconds - (1 + _SWAPPED_PICTURES) * self._period_seconds
                continue
            self._count(seconds, *self._size_of(frame))
            placement = self._placer.next_frame(seconds)
            if placement is not None:
                yield placement, held
            held = frame
        placement = self._placer.end()
        if placement is not None:
            yield placement, held

    def _count(self, seconds: float, width: int, height: int) -> None:
        limits = self._limits
        self._decoded += 1
        self._pixels += width * height
        self._seconds = seconds + self._period_seconds
        limits.check_picture(self._info.path, width, height)
        if self._pixels > limits.max_total_pixels:
            text = f"has more than {limits.max_total_pixels:.3g} pixels in all, which is the limit"
            raise MediaLimitError(self._info.path, text)
        if seconds > limits.max_duration_seconds:
            raise MediaLimitError(self._info.path, f"goes on after the limit of {limits.max_duration_seconds:.0f} s")
