# SPDX-License-Identifier: Apache-2.0
"""make_report gives a source its ReadReport: how much of what is declared was decoded, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

from cad.errors import DecoderCrashedError, MediaError
from cad.media.messages import Progress
from cad.media.records import MediaInfo, MediaKind, Outcome, ReadReport

#: Declared lengths are rounded to a frame or a packet: from this share on nothing counts as missing,
_ROUNDING = 0.995
#: and less than this counts as nothing, however short the file.
_ROUNDING_SECONDS = 0.06
#: Formats that state how many pictures they have, and none of which may be left out.
_COUNTED_FORMATS = frozenset({"apng", "gif", "webp"})


@dataclass(frozen=True, slots=True)
class StreamReading:
    """How reading one stream went.

    Attributes:
        progress: What was decoded.
        complete: Whether the decoder reached the end.
        error: What stopped it, if anything did.
    """

    progress: Progress
    complete: bool
    error: MediaError | None = None


def make_report(info: MediaInfo, picture: StreamReading | None, sound: StreamReading | None) -> ReadReport:
    """Return the report on a file whose streams were read like this; None: not yet, or there is no such stream."""
    unread = StreamReading(Progress(), complete=False)
    picture = None if info.video is None else picture or unread
    sound = None if info.audio is None else sound or unread
    coverage = min(
        1.0 if picture is None else _picture_coverage(info, picture),
        1.0 if sound is None else _sound_coverage(info, sound),
        _whole_coverage(info, picture, sound),
    )
    readings = [reading for reading in (picture, sound) if reading is not None]
    errors = [reading.error for reading in readings if reading.error is not None]
    error = min(errors, key=lambda one: not isinstance(one, DecoderCrashedError), default=None)  # a crash is told first
    outcome = Outcome(error.code) if error is not None else _outcome(info, readings, coverage)
    frames = picture.progress.decoded if picture else 0
    seconds = sound.progress.seconds if sound else 0.0
    bad = sum(reading.progress.bad_packets for reading in readings)
    return ReadReport(outcome, coverage, frames, seconds, bad, _text(outcome, coverage, error, bad) + _left_out(info))


def _picture_coverage(info: MediaInfo, reading: StreamReading) -> float:
    assert info.video is not None
    progress, video = reading.progress, info.video
    if progress.decoded == 0:
        return 0.0
    if info.kind is MediaKind.IMAGE:
        return min(1.0, progress.seconds)
    shares = [progress.decoded / (progress.decoded + progress.bad_packets) if not reading.complete else 1.0]
    if info.container in _COUNTED_FORMATS and video.declared_frames:
        shares.append(min(1.0, progress.decoded / video.declared_frames))
    if video.declared_seconds:
        end = video.start_seconds + video.declared_seconds - info.origin_seconds
        shares.append(_share(progress.seconds, end))
        if video.fps > 0 and video.declared_frames:
            # Frames that an edit list leaves out are declared, but rightly not decoded.
            expected = min(video.declared_frames, round(video.declared_seconds * video.fps))
            shares.append(_share(progress.decoded / video.fps, expected / video.fps))
    return min(shares)


def _sound_coverage(info: MediaInfo, reading: StreamReading) -> float:
    assert info.audio is not None
    progress = reading.progress
    if progress.decoded == 0:
        return 0.0
    if info.audio.declared_seconds:
        return _share(progress.seconds, info.audio.declared_seconds)
    return 1.0 if reading.complete else 0.0


def _whole_coverage(info: MediaInfo, picture: StreamReading | None, sound: StreamReading | None) -> float:
    """Return how far the longest stream came, where the container states one length for all of them.

    Matroska and FLV count it from zero, MPEG streams from their start; the reading that finds less damage is believed.
    """
    if all(stream is None or stream.declared_seconds for stream in (info.video, info.audio)):
        return 1.0
    ends, starts = [], []
    if info.video is not None and picture is not None and picture.progress.decoded:
        ends.append(info.origin_seconds + picture.progress.seconds)
        starts.append(info.video.start_seconds)
    if info.audio is not None and sound is not None and sound.progress.decoded:
        ends.append(info.audio.start_seconds + sound.progress.seconds)
        starts.append(info.audio.start_seconds)
    if not ends or info.duration_seconds <= 0 or info.kind is MediaKind.IMAGE:
        return 1.0
    reached = max(max(ends), max(ends) - min(starts))
    return _share(reached, info.duration_seconds)


def _share(read_seconds: float, declared_seconds: float) -> float:
    if read_seconds >= declared_seconds * _ROUNDING or read_seconds >= declared_seconds - _ROUNDING_SECONDS:
        return 1.0
    return max(0.0, read_seconds / declared_seconds)


def _outcome(info: MediaInfo, readings: list[StreamReading], coverage: float) -> Outcome:
    if all(reading.progress.decoded == 0 for reading in readings):
        return Outcome.UNDECODABLE
    if coverage < 1.0 or any(reading.progress.bad_packets for reading in readings):
        return Outcome.PARTIAL
    if info.video is None:
        return Outcome.NO_VIDEO
    if info.audio is None and info.kind is MediaKind.VIDEO:
        return Outcome.NO_AUDIO
    return Outcome.OK


def _text(outcome: Outcome, coverage: float, error: MediaError | None, bad_packets: int) -> str:
    damage = f", {bad_packets} damaged packet{'s' if bad_packets != 1 else ''}" if bad_packets else ""
    if error is not None:
        return f"reading stopped at {coverage:.1%} of the file: {error.text}{damage}"
    return {
        Outcome.UNDECODABLE: f"nothing of it decodes{damage}",
        Outcome.PARTIAL: f"{coverage:.1%} of what the file declares could be read{damage}",
        Outcome.NO_VIDEO: "read completely; the file has sound and no picture",
        Outcome.NO_AUDIO: "read completely; the file has picture and no sound",
        Outcome.OK: "read completely",
    }[outcome]


def _left_out(info: MediaInfo) -> str:
    if not info.besides:
        return ""
    return f"; not judged: {' and '.join(info.besides)}"
