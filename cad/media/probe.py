# SPDX-License-Identifier: Apache-2.0
"""probe gives the reader the MediaInfo of an open file: what it declares, and when its streams really begin."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from cad.media.container import OpenContainer, is_item
from cad.media.grid import origin_seconds, period_seconds
from cad.media.orientation import UPRIGHT, Orientation, degrees_clockwise, orientation_of
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo, in_words
from cad.media.stamps import StampReader, frames_per_second
from cad.media.stills import apng_frames, besides, still_orientation

#: Names of formats of still pictures end like this (photographs laid end to end are motion JPEG).
_STILL_FORMATS = "_pipe"
#: Containers without an index: FFmpeg estimates their duration from the bit rate, too coarsely for a coverage.
_ESTIMATED_DURATION_FORMATS = {"aac", "ac3", "eac3", "adts", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu", "mp3"}
#: Containers whose length of the sound includes the empty chunks with which a muxer pads it (while B-frames delay the
#: picture); the picture says how far such a file goes.
_PADDED_SOUND_FORMATS = frozenset({"avi"})
#: A first frame further than this from the declared start has a damaged stamp.
_START_DISAGREEMENT_SECONDS = 10.0
#: A file that declares to last longer than this many pictures, and shows one, has lost the others.
_LENGTH_OF_ONE_PICTURE = 1.5
#: How many packets may pass before the search for first frames ends.
_PROBE_PACKETS = 500


def probe(source: OpenContainer, on_packet: Callable[[], None]) -> MediaInfo:
    """Return what the file says of itself, decoding only as far as its streams' first frames."""
    first = _first_frames(source, on_packet)
    video = _video_info(source, first) if source.video is not None else None
    audio = _audio_info(source, first.seconds.get("audio")) if source.audio is not None else None
    kind = _kind(source, video, first)
    durations = [s.declared_seconds for s in (video, audio) if s is not None and s.declared_seconds]
    return MediaInfo(
        path=source.name,
        kind=kind,
        container=source.container.format.name,
        size_bytes=os.fstat(source.fd).st_size,
        duration_seconds=0.0 if kind is MediaKind.IMAGE else max(durations, default=_container_seconds(source)),
        origin_seconds=origin_seconds(video, audio),
        video=video,
        audio=audio,
        besides=_besides(source, kind, first),
    )


def orientation_in(source: OpenContainer, frame: Any) -> Orientation:
    """Return how a frame of the file must be turned to stand upright."""
    if _has_still_format(source):
        stated = still_orientation(source.fd)
        if stated is not None:
            return stated
    assert source.video is not None
    return orientation_of(frame, source.video.codec_context.name)


@dataclass(slots=True)
class _FirstFrames:
    """What the first frames that decode tell.

    Attributes:
        seconds: Their times, by type of stream.
        orientation: How the picture must be turned.
        size: Stored width and height of the first picture; None if none decodes.
        pictures: How many pictures of that size were seen: none, one, or more.
        others: How many of another size.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    orientation: Orientation = UPRIGHT
    size: tuple[int, int] | None = None
    pictures: int = 0
    others: int = 0


def _first_frames(source: OpenContainer, on_packet: Callable[[], None]) -> _FirstFrames:
    """Decode until every stream has shown something, and a picture without sound a second one."""
    wanted = [stream for stream in (source.video, source.audio) if stream is not None]
    pictures_wanted = 0 if source.video is None else 1 if source.audio is not None else 2
    name = source.container.format.name
    readers: dict[str, StampReader] = {stream.type: StampReader(stream, name) for stream in wanted}
    first, packets = _FirstFrames(), 0

    def count() -> None:
        nonlocal packets
        packets += 1
        on_packet()

    for frame in source.frames(*wanted, on_packet=count):
        kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
        if kind not in first.seconds:
            first.seconds[kind] = readers[kind].seconds(frame)
        if isinstance(frame, av.VideoFrame):
            if first.size is None:
                first.size, first.orientation = (frame.width, frame.height), orientation_in(source, frame)
            is_alike = first.size == (frame.width, frame.height)
            first.pictures += is_alike
            first.others += not is_alike
        # Behind a photograph there may be its map of gains and nothing else: only the end of the file tells.
        seen = first.pictures + (0 if _has_still_format(source) else first.others)
        if (len(first.seconds) == len(wanted) and seen >= pictures_wanted) or packets > _PROBE_PACKETS:
            break
    return first


def _video_info(source: OpenContainer, first: _FirstFrames) -> VideoStreamInfo:
    assert source.video is not None
    stream, context, orientation = source.video, source.video.codec_context, first.orientation
    start = _start(stream, first.seconds.get("video"))
    width, height = first.size or (context.width, context.height)
    width, height = (height, width) if orientation[0] else (width, height)
    return VideoStreamInfo(
        codec=context.name,
        width_px=width,
        height_px=height,
        fps=frames_per_second(stream),
        rotation_degrees=degrees_clockwise(orientation),
        start_seconds=start,
        declared_frames=stream.frames or apng_frames(source.fd),
        declared_seconds=_declared_seconds(source, stream, start),
    )


def _audio_info(source: OpenContainer, first_seconds: float | None) -> AudioStreamInfo:
    assert source.audio is not None
    stream, context = source.audio, source.audio.codec_context
    start = _start(stream, first_seconds)
    return AudioStreamInfo(
        codec=context.name,
        sample_rate_hz=context.sample_rate,
        channels=context.channels,
        start_seconds=start,
        declared_seconds=_declared_seconds(source, stream, start),
    )


def _start(stream: VideoStream | AudioStream, first_seconds: float | None) -> float:
    """Return when the stream begins: its first frame's time, unless that stamp is plainly damaged."""
    declared = None
    if stream.start_time is not None and stream.time_base is not None:
        declared = float(stream.start_time * stream.time_base)
    if first_seconds is None:
        return declared if declared is not None else 0.0
    if declared is not None and abs(first_seconds - declared) > _START_DISAGREEMENT_SECONDS:
        return declared
    return first_seconds


def _declared_seconds(source: OpenContainer, stream: VideoStream | AudioStream, start_seconds: float) -> float | None:
    """Return the length that the container states for this one stream."""
    name = source.container.format.name
    if name in _ESTIMATED_DURATION_FORMATS:
        return None
    if name in _PADDED_SOUND_FORMATS and stream.type == "audio" and source.video is not None:
        return None
    if stream.duration and stream.time_base is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    end = _end_by_tag(stream.metadata.get("DURATION", ""))
    return end - start_seconds if end is not None and end > start_seconds else None


def _end_by_tag(tag: str) -> float | None:
    """Return when the stream ends by a Matroska duration tag such as ``00:00:02.080000000``, in seconds."""
    try:
        hours, minutes, seconds = map(float, tag.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _container_seconds(source: OpenContainer) -> float:
    """Return the length that the container states for all of it, 0 if it states none."""
    duration = source.container.duration
    if source.container.format.name in _ESTIMATED_DURATION_FORMATS or not duration or duration < 0:
        return 0.0
    return float(duration / av.time_base)


def _kind(source: OpenContainer, video: VideoStreamInfo | None, first: _FirstFrames) -> MediaKind:
    """Return what the file holds: a single picture without sound is a still, whatever carries it.

    A file that has been cut short is none: what it declares, or damage, tells that there was more.
    """
    if video is None:
        return MediaKind.AUDIO
    if _has_still_format(source):
        # Photographs laid end to end are motion JPEG, unless an index calls them views of one scene; a smaller picture
        # behind a photograph is its map of gains for HDR.
        return MediaKind.VIDEO if first.pictures > 1 and not besides(source.fd) else MediaKind.IMAGE
    seconds = video.declared_seconds or _container_seconds(source)
    has_one = video.declared_frames == 1 or (
        video.declared_frames is None and seconds <= _LENGTH_OF_ONE_PICTURE * period_seconds(video.fps)
    )
    is_whole = first.pictures == 1 and first.others == 0 and source.bad_packets == 0
    return MediaKind.IMAGE if source.audio is None and is_whole and has_one else MediaKind.VIDEO


def _has_still_format(source: OpenContainer) -> bool:
    return source.container.format.name.endswith(_STILL_FORMATS)


def _besides(source: OpenContainer, kind: MediaKind, first: _FirstFrames) -> tuple[str, ...]:
    if kind is MediaKind.IMAGE and _has_still_format(source):
        return besides(source.fd) or in_words(first.others, False)
    # A sequence of HEIF may come with pictures of their own; one that is no larger is its poster.
    pixels = 0 if first.size is None else first.size[0] * first.size[1]
    items = [s.codec_context for s in source.container.streams.video if s.codec_context is not None and is_item(s)]
    return in_words(sum(item.width * item.height > pixels > 0 for item in items), False)
